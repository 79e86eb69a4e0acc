import type * as v from "valibot";
import {
  isPending,
  type MailAttempt,
  nextDueAt,
  type QueuedMail,
  type RecipientProgress,
} from "../domain/queued-mail.ts";
import { roundedMs } from "../wire/delivery.ts";
import type { mailRecordView, mailView } from "./mail-schema.ts";

type MailView = v.InferOutput<typeof mailView>;
type MailRecordView = v.InferOutput<typeof mailRecordView>;

/** Returns a queued message as `GET /mail/` shows it. */
export function toMailView(mail: QueuedMail): MailView {
  const { id, state, identifier, submitter, sender, purpose, recipients } = mail;
  const dueAt = nextDueAt(recipients);
  return {
    id,
    state,
    identifier,
    submitter,
    sender,
    purpose,
    alternatives: [...mail.alternatives],
    message_id: mail.messageId,
    on_unknown: mail.onUnknown,
    recipients: recipients.map((recipient) => toRecipientView(recipient, mail)),
    next_try: state === "sending" ? null : nextAttemptOf(dueAt, mail),
    held: mail.held,
    created_at: mail.createdAt.toISOString(),
    updated_at: mail.updatedAt.toISOString(),
    expires_at: mail.expiresAt?.toISOString() ?? null,
    give_up_at: mail.giveUpAt.toISOString(),
  };
}

/** Returns the same with every attempt, and whether an admin can retry it now. */
export function toMailRecordView(
  mail: QueuedMail,
  attempts: readonly MailAttempt[],
  canRetry: boolean,
): MailRecordView {
  return { ...toMailView(mail), can_retry: canRetry, attempts: attempts.map(toAttemptView) };
}

function toRecipientView(recipient: RecipientProgress, mail: QueuedMail): MailView["recipients"][number] {
  const { address, state, attempts, failure, dueAt } = recipient;
  const { phase, code, reply } = failure ?? {};
  return {
    address,
    state,
    attempts,
    next_try: isPending(recipient) ? nextAttemptOf(dueAt, mail) : null,
    failure: phase && code ? { phase, code, reply: reply ?? null } : null,
  };
}

function toAttemptView(attempt: MailAttempt): MailRecordView["attempts"][number] {
  const { recipient, identifier, date, outcome, decision, phase, code, reply, timingMs } = attempt;
  return {
    recipient,
    identifier,
    outcome,
    decision,
    reply,
    date: date.toISOString(),
    phase: phase || null,
    code: code || null,
    timing_ms: roundedMs(timingMs),
  };
}

/** `null` after the last attempt, when the message only waits for its final state, and while it is held. */
function nextAttemptOf(dueAt: number | null, { giveUpAt, held }: QueuedMail): string | null {
  return dueAt === null || held || dueAt >= giveUpAt.getTime() ? null : new Date(dueAt).toISOString();
}
