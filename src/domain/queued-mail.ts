import type { Failure } from "./delivery.ts";

/** What has become of a queued mail, or of it for one recipient. */
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

/** Nothing happens any more to a mail in one of these; the others are on their way. */
export type FinalState = Extract<MailState, "sent" | "failed" | "unknown" | "expired" | "cancelled">;

/** `code`: of use for a moment and harmful twice; `notice`: all other mail. */
export type Purpose = "code" | "notice";

/** What is done when a mail may have been taken: `repeat` sends it again under the same Message-ID, `stop` does not. */
export type OnUnknown = "repeat" | "stop";

/** How far a queued mail is for one recipient. */
export interface RecipientProgress {
  /** Forward-path. */
  readonly address: string;
  readonly state: "queued" | "deferred" | FinalState;
  /** How often it was tried. */
  readonly attempts: number;
  /** When it is tried next, in milliseconds since the epoch; null once it has ended. */
  readonly dueAt: number | null;
  /** Of the last try, if it failed. */
  readonly failure: Failure | null;
}

/** A queued mail, as far as anybody may see it: no body, no secret. */
export interface QueuedMail {
  readonly id: string;
  readonly state: MailState;
  /** Name of the definition that it goes through now. */
  readonly identifier: string;
  /** Names of all definitions that it may go through, the first one first; empty: just the one. */
  readonly alternatives: readonly string[];
  /** Who handed it in: an admin, a plugin, the command line. */
  readonly submitter: string;
  readonly messageId: string;
  /** Reverse-path. */
  readonly sender: string;
  readonly purpose: Purpose;
  readonly onUnknown: OnUnknown;
  readonly recipients: readonly RecipientProgress[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** From then on it is of no use, and not sent; null: no such moment. */
  readonly expiresAt: Date | null;
  /** When the last try may begin. */
  readonly giveUpAt: Date;
  /** Until when the content of a message in its final state is kept for a retry; `null` if it is erased, or not final. */
  readonly contentUntil: Date | null;
}

/** One try to bring one mail to one recipient. */
export interface MailAttempt {
  readonly mailId: string;
  readonly recipient: string;
  /** The definition that was used. */
  readonly identifier: string;
  readonly date: Date;
  /** `lost`: its sender did not live to say what became of it. */
  readonly outcome: "sent" | "not-sent" | "unknown" | "lost";
  /** What follows from it. */
  readonly decision: "ended" | "retry" | "repeat" | "next-server";
  readonly phase: string;
  readonly code: string;
  readonly reply: { readonly code: number; readonly enhanced: string | null; readonly text: string } | null;
  /** Milliseconds spent in each phase. */
  readonly timingMs: Readonly<Record<string, number>>;
}

/** From the worst to the best: the first that any recipient is in speaks for the mail. */
const FINAL_STATES: readonly FinalState[] = ["unknown", "failed", "expired", "cancelled", "sent"];

export function isPending({ state }: Pick<RecipientProgress, "state">): boolean {
  return state === "queued" || state === "deferred";
}

/** What a mail is in, by its recipients, while nobody is sending it. */
export function stateOf(recipients: readonly RecipientProgress[]): Exclude<MailState, "sending"> {
  if (recipients.some(isPending)) {
    return recipients.every(({ attempts }) => attempts === 0) ? "queued" : "deferred";
  }
  return FINAL_STATES.find((ending) => recipients.some(({ state }) => state === ending)) ?? "failed";
}

/** When the next recipient is due, in milliseconds since the epoch; null if none is. */
export function nextDueAt(recipients: readonly RecipientProgress[]): number | null {
  const times = recipients.flatMap((recipient) => (isPending(recipient) ? [recipient.dueAt ?? 0] : []));
  return times.length === 0 ? null : Math.min(...times);
}
