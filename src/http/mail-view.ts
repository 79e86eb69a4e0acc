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

/** A queued mail as people see it. */
export function toMailView(mail: QueuedMail): MailView {
  const { id, state, identifier, submitter, sender, purpose, recipients } = mail;
  return {
    ...{ id, state, identifier, submitter, sender, purpose },
    alternatives: [...mail.alternatives],
    message_id: mail.messageId,
    on_unknown: mail.onUnknown,
    recipients: recipients.map(toRecipientView),
    next_try: state === "sending" ? null : momentOf(nextDueAt(recipients)),
    created_at: mail.createdAt.toISOString(),
    updated_at: mail.updatedAt.toISOString(),
    expires_at: mail.expiresAt?.toISOString() ?? null,
    give_up_at: mail.giveUpAt.toISOString(),
  };
}

/** The same with every try. */
export function toMailRecordView(mail: QueuedMail, attempts: readonly MailAttempt[]): MailRecordView {
  return { ...toMailView(mail), attempts: attempts.map(toAttemptView) };
}

function toRecipientView(recipient: RecipientProgress): MailView["recipients"][number] {
  const { address, state, attempts, failure, dueAt } = recipient;
  const { phase, code, reply } = failure ?? {};
  return {
    ...{ address, state, attempts },
    next_try: isPending(recipient) ? momentOf(dueAt) : null,
    failure: phase && code ? { phase, code, reply: reply ?? null } : null,
  };
}

function toAttemptView(attempt: MailAttempt): MailRecordView["attempts"][number] {
  const { recipient, identifier, date, outcome, decision, phase, code, reply, timingMs } = attempt;
  return {
    ...{ recipient, identifier, outcome, decision, reply },
    date: date.toISOString(),
    phase: phase || null,
    code: code || null,
    timing_ms: roundedMs(timingMs),
  };
}

function momentOf(epochMs: number | null): string | null {
  return epochMs === null ? null : new Date(epochMs).toISOString();
}
