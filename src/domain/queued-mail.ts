import type { Failure } from "./delivery.ts";

/** The states of a queued message, or of one recipient. */
export const MAIL_STATES = [
  "queued",
  "sending",
  "deferred",
  "sent",
  "failed",
  "unknown",
  "expired",
  "cancelled",
] as const;
export type MailState = (typeof MAIL_STATES)[number];

/**
 * A held message is due this much later, in milliseconds: 31,000 years, so that no worker of any version takes it. A release
 * subtracts it again.
 */
export const HOLD_MS = 1e15;

/** A state that does not change anymore. */
export type FinalState = Extract<MailState, "sent" | "failed" | "unknown" | "expired" | "cancelled">;

/** `code`: useful for minutes, and harmful if sent twice. `notice`: all other mail. */
export type Purpose = "code" | "notice";

/** The policy after an unknown outcome: `repeat` sends the message again under the same Message-ID, `stop` does not. */
export type OnUnknown = "repeat" | "stop";

/** The progress of a queued message for one recipient. */
export interface RecipientProgress {
  /** Forward-path. */
  readonly address: string;
  readonly state: "queued" | "deferred" | FinalState;
  /** Number of attempts. */
  readonly attempts: number;
  /** Time of the next attempt, in milliseconds since the epoch; `null` if the state is final. */
  readonly dueAt: number | null;
  /** The failure of the last attempt; `null` if it did not fail. */
  readonly failure: Failure | null;
  /** Whether an earlier attempt may have sent the message, because its outcome is unknown. Absent if none may have. */
  readonly mayBeSent?: true;
  /** Whether its final state was reported before an admin queued the message again for others. Absent if it was not. */
  readonly reported?: true;
  /**
   * ID of the claim whose worker recorded that its attempt did not send the message, and had attempts of other recipients
   * under way. Absent if there was none.
   */
  readonly notSentBy?: string;
  /** Time from which it is attempted, in milliseconds since the epoch. Absent if that is since its message was submitted. */
  readonly startsAt?: number;
}

/** A queued message without its content. */
export interface QueuedMail {
  readonly id: string;
  readonly state: MailState;
  /** Name of the definition that it currently goes through. */
  readonly identifier: string;
  /** Names of all definitions that it may go through, in order. Empty if there is only one. */
  readonly alternatives: readonly string[];
  /** The caller who submitted it: an admin, a plugin, the command line. */
  readonly submitter: string;
  readonly messageId: string;
  /** Reverse-path. */
  readonly sender: string;
  readonly purpose: Purpose;
  readonly onUnknown: OnUnknown;
  readonly recipients: readonly RecipientProgress[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** Not sent after this time. `null` if the message does not expire. */
  readonly expiresAt: Date | null;
  /** No attempt starts after this time. */
  readonly giveUpAt: Date;
  /** Until when the content of a final message is kept for a retry; `null` if it is erased or the state is not final. */
  readonly contentUntil: Date | null;
  /** Whether it waits for a release, whatever its state. A worker that it names is one of the instance that was backed up. */
  readonly held: boolean;
}

/** One delivery of a message to one recipient. */
export interface MailAttempt {
  readonly mailId: string;
  readonly recipient: string;
  /** Name of the definition that was used. */
  readonly identifier: string;
  readonly date: Date;
  /** `lost`: the worker died during the attempt, so the outcome is unknown. */
  readonly outcome: "sent" | "not-sent" | "unknown" | "lost";
  /** The step that follows the attempt. */
  readonly decision: "ended" | "retry" | "repeat" | "next-server";
  readonly phase: string;
  readonly code: string;
  readonly reply: { readonly code: number; readonly enhanced: string | null; readonly text: string } | null;
  /** Milliseconds spent in each phase. */
  readonly timingMs: Readonly<Record<string, number>>;
}

/** Final states from the worst to the best. The worst one of any recipient is the state of the message. */
const FINAL_STATES: readonly FinalState[] = ["unknown", "failed", "expired", "cancelled", "sent"];

export function isPending({ state }: Pick<RecipientProgress, "state">): boolean {
  return state === "queued" || state === "deferred";
}

/** Returns the state of a message that is not being sent, from those of its recipients. */
export function stateOf(recipients: readonly RecipientProgress[]): Exclude<MailState, "sending"> {
  if (recipients.some(isPending)) {
    return recipients.every(({ attempts }) => attempts === 0) ? "queued" : "deferred";
  }
  return FINAL_STATES.find((final) => recipients.some(({ state }) => state === final)) ?? "failed";
}

/** Returns when the next recipient is due, in milliseconds since the epoch; `null` if none is. */
export function nextDueAt(recipients: readonly RecipientProgress[]): number | null {
  const times = recipients.flatMap((recipient) => (isPending(recipient) ? [recipient.dueAt ?? 0] : []));
  return times.length === 0 ? null : Math.min(...times);
}
