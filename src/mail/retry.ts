import type { Failure, Phase, Receipt, SmtpReply } from "../domain/delivery.ts";
import type { EndState, MailAttempt, OnUnknown, RecipientProgress } from "../domain/queued-mail.ts";

const FIRST_DELAY_MS = 5_000;
const LONGEST_DELAY_MS = 3_600_000;
const SECOND_MS = 1_000;
const UNIT_MS: Readonly<Record<string, number>> = { s: SECOND_MS, m: 60_000, h: 3_600_000 };

/** `in 5 minutes`, `after 300 seconds`, `in 00:04:59`: how servers name the delay of a greylisting. */
const NAMED_DELAY = /\b(?:in|after|for|wait|within)\s+(?:about\s+)?(\d{1,5})\s*(s|m|h)[a-z]*\b/i;
const NAMED_CLOCK = /\b(?:in|after|for|wait|within)\s+(\d{1,2}):(\d{2}):(\d{2})\b/i;

/** Failures of a server as a whole, which say nothing about the mail. */
const DOWN: readonly Phase[] = ["dns", "connect", "greeting", "ehlo", "starttls", "certificate", "auth"];

/** What a retry depends on, beside the receipt. Times in milliseconds since the epoch. */
export interface RetryContext {
  readonly now: number;
  /** When the last try may begin. */
  readonly giveUpAt: number;
  /** Null: the mail is of use at any time. */
  readonly expiresAt: number | null;
  readonly onUnknown: OnUnknown;
  /** From 0 to 1, spreads the tries of many mails. */
  readonly random: number;
  /** Whether there is another definition that the mail may go through. */
  readonly hasNextServer: boolean;
}

/** How far a recipient is after a try, and what the record says of it. */
export interface AfterTry {
  readonly progress: RecipientProgress;
  readonly outcome: MailAttempt["outcome"];
  readonly decision: MailAttempt["decision"];
}

/** Whether a failure means that the server could not be reached or entered, so that another one may do better. */
export function isServerDown(failure: Failure): boolean {
  // A mail that we stopped says nothing about the server.
  if (failure.outcome === "unknown" || failure.code === "cancelled") return false;
  return DOWN.includes(failure.phase) || failure.code === "server_unknown";
}

/**
 * The longest wait before the next try: 5 s, doubled after each, up to an hour. The wait itself is a random share of
 * it, so that mails that failed together do not come back together.
 */
export function retryDelayMs(attempts: number, random: number): number {
  const longest = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.max(0, attempts - 1));
  return Math.ceil(longest * random);
}

/** The delay that a reply of "not now" names, in milliseconds; null if it names none. */
export function namedDelayMs(reply: SmtpReply | null): number | null {
  if (reply === null || reply.code < 400 || reply.code > 499) return null;
  const [, hours, minutes, seconds] = NAMED_CLOCK.exec(reply.text) ?? [];
  if (hours !== undefined) {
    return ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * SECOND_MS;
  }
  const [, amount, unit] = NAMED_DELAY.exec(reply.text) ?? [];
  return amount === undefined ? null : Number(amount) * (UNIT_MS[unit?.toLowerCase() ?? ""] ?? SECOND_MS);
}

/**
 * Decides what follows from a try: temporary or permanent is the reply's to say (RFC 5321 4.2.1), what happens to a
 * mail of unknown fate is its author's.
 */
export function afterTry(before: RecipientProgress, receipt: Receipt, context: RetryContext): AfterTry {
  const attempts = before.attempts + 1;
  if (receipt.successful) return ended({ ...before, attempts, failure: null }, "sent", "sent");
  const { failure } = receipt;
  const progress = { ...before, attempts, failure };
  if (failure.outcome === "unknown") return afterUnknown(progress, "unknown", context);
  // Stopped by us before the server had the mail: that is no try.
  if (failure.code === "cancelled") {
    return later({ ...before, failure }, context.now, { outcome: "not-sent", decision: "retry" });
  }
  if (isServerDown(failure) && context.hasNextServer) {
    return later(progress, context.now, { outcome: "not-sent", decision: "next-server" });
  }
  if (!failure.retryable) return ended(progress, "failed", "not-sent");
  // Not before the server wants it, and not for ever each second if that is what it names.
  const delayMs = Math.max(namedDelayMs(failure.reply) ?? 0, retryDelayMs(attempts, context.random));
  const dueAt = context.now + delayMs;
  if (dueAt >= context.giveUpAt) return ended(progress, endingOf(context), "not-sent");
  return later(progress, dueAt, { outcome: "not-sent", decision: "retry" });
}

/** What follows when nobody knows whether the mail was taken. */
export function afterUnknown(
  progress: RecipientProgress,
  outcome: "unknown" | "lost",
  context: RetryContext,
): AfterTry {
  if (context.onUnknown === "stop") return ended(progress, "unknown", outcome);
  const dueAt = context.now + (outcome === "lost" ? 0 : retryDelayMs(progress.attempts, context.random));
  if (dueAt >= context.giveUpAt) return ended(progress, "unknown", outcome);
  return later(progress, dueAt, { outcome, decision: "repeat" });
}

/** The state of a mail whose time is over. */
export function endingOf({ expiresAt, giveUpAt }: Pick<RetryContext, "expiresAt" | "giveUpAt">) {
  return expiresAt !== null && expiresAt <= giveUpAt ? "expired" : "failed";
}

function ended(progress: RecipientProgress, state: EndState, outcome: MailAttempt["outcome"]): AfterTry {
  return { progress: { ...progress, state, dueAt: null }, outcome, decision: "ended" };
}

function later(
  progress: RecipientProgress,
  dueAt: number,
  said: Pick<AfterTry, "outcome" | "decision">,
): AfterTry {
  const state = progress.attempts === 0 ? "queued" : "deferred";
  return { progress: { ...progress, state, dueAt }, ...said };
}
