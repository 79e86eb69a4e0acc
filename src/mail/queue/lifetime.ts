import type { QueuedMail, RecipientProgress } from "../../domain/queued-mail.ts";
import type { MailChange } from "../../storage/queued-mail.ts";

const DAY_MS = 24 * 3_600_000;
/** Time for which a message is attempted unless it expires earlier. */
const ATTEMPT_MS = DAY_MS;
/** Time for which the content of a message that does not expire is kept after it failed by the server's fault. */
const KEEP_CONTENT_MS = DAY_MS;

/** Returns until when a message is attempted that is due, or retried by an admin, now. */
export function giveUpAt(now: Date, expiresAt: Date | null): Date {
  return new Date(Math.min(now.getTime() + ATTEMPT_MS, expiresAt?.getTime() ?? Number.POSITIVE_INFINITY));
}

/**
 * Returns until when the content of a final message is kept; `null` if it is erased now. It is kept if the server or the
 * definition was at fault, so that an admin can retry the message.
 */
export function keepContentUntil(
  recipients: readonly RecipientProgress[],
  expiresAt: Date | null,
  now: Date,
): Date | null {
  if (!recipients.some(isRevivable)) return null;
  if (expiresAt === null) return new Date(now.getTime() + KEEP_CONTENT_MS);
  return expiresAt.getTime() > now.getTime() ? expiresAt : null;
}

/** Returns the change that queues a final message again for the recipients that failed by the server's fault. */
export function revive(
  { recipients, expiresAt }: Pick<QueuedMail, "recipients" | "expiresAt">,
  now: Date,
): MailChange {
  const dueAt = now.getTime();
  const revived = recipients.map((one) =>
    isRevivable(one) ? ({ ...one, state: "queued", attempts: 0, dueAt, startsAt: dueAt } as const) : one,
  );
  return {
    state: "queued",
    recipients: revived,
    giveUpAt: giveUpAt(now, expiresAt),
    contentUntil: null,
    dueAt,
  };
}

/**
 * A recipient without a failure was never attempted, because the circuit was open. If only an earlier attempt may have sent
 * the message, it is one that may be repeated.
 */
function isRevivable({ state, failure, mayBeSent }: RecipientProgress): boolean {
  if (failure?.outcome === "unknown") return false;
  const isMissed = state === "failed" || state === "expired" || (state === "unknown" && mayBeSent === true);
  return isMissed && (failure === null || failure.fault === "server");
}
