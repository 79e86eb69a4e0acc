import { recipientsOf } from "../../domain/mailbox.ts";
import type { NormalizedMessage } from "../../domain/message.ts";
import { type MailAttempt, type RecipientProgress, stateOf } from "../../domain/queued-mail.ts";
import type { MailRow } from "../../storage/outbox.ts";
import type { RecipientResult } from "../deliver.ts";
import type { Submission, SubmitResult } from "../submission.ts";
import { attemptRecord } from "./after-attempt.ts";

/** The result of a message that was not queued. */
type FinalResult = Exclude<SubmitResult, { state: "queued" }>;

/** A message in its final state, as the queue stores it, without content. */
interface FinalMail {
  readonly row: Omit<MailRow, "content" | "furtherContent">;
  readonly attempts: readonly MailAttempt[];
}

/**
 * Returns the record of a message that was sent, or failed, while the caller waited.
 * @param built the reverse-path and Message-ID, empty if no message was built.
 */
export function finalMail(
  { message, options, submitter }: Submission,
  result: FinalResult,
  { id, now, sender, messageId }: { id: string; now: Date; sender: string; messageId: string },
): FinalMail {
  const { purpose = "notice", expiresAt = null } = options;
  const recipients = finalProgress(message, result);
  const { identifier } = result;
  const row = {
    id,
    state: stateOf(recipients),
    identifier,
    queueName: identifier,
    alternatives: [],
    submitter: submitter.name,
    messageId,
    sender,
    purpose,
    onUnknown: options.onUnknown ?? (purpose === "code" ? "stop" : "repeat"),
    recipients,
    createdAt: now,
    updatedAt: now,
    expiresAt,
    giveUpAt: now,
    contentUntil: null,
    dueAt: null,
    lease: null,
    started: false,
    lost: 0,
  } as const;
  const attempts = result.recipients.map((one) => ({
    mailId: id,
    identifier,
    date: now,
    ...attemptOf(one),
  }));
  return { row, attempts };
}

/** Returns the final state of each recipient. Without a transaction, all have that of the message. */
export function finalProgress(message: NormalizedMessage, result: FinalResult): readonly RecipientProgress[] {
  return recipientsOf(message).map((address) => progressOf(address, result));
}

function progressOf(address: string, { recipients, ...result }: FinalResult): RecipientProgress {
  const receipt = recipients.find(({ recipient }) => recipient === address)?.receipt;
  const ended = { address, attempts: receipt ? 1 : 0, dueAt: null } as const;
  if (receipt?.successful) return { ...ended, state: "sent", failure: null };
  const failure = receipt?.failure ?? (result.state === "failed" ? result.failure : null);
  return { ...ended, state: failure?.outcome === "unknown" ? "unknown" : "failed", failure };
}

function attemptOf({ recipient, receipt }: RecipientResult) {
  const outcome = receipt.successful ? "sent" : receipt.failure.outcome;
  return { recipient, ...attemptRecord({ outcome, decision: "ended" }, receipt) };
}
