import { type Failure, isBefore, type Receipt, type SmtpReply } from "../../domain/delivery.ts";
import type { FinalState, MailAttempt, OnUnknown, RecipientProgress } from "../../domain/queued-mail.ts";
import { serverDelayMs } from "../../smtp/server-delay.ts";
import {
  backoffAfterDelayMs,
  backoffMs,
  type Lifetime,
  MAX_BACKOFF_MS,
  nextAttemptAt,
  PROBE_INTERVAL_MS,
} from "./backoff.ts";

/** The inputs of the decision in addition to the receipt. Times are in milliseconds since the epoch. */
export interface AttemptContext extends Lifetime {
  readonly now: number;
  /** `null` if the message does not expire. */
  readonly expiresAt: number | null;
  readonly onUnknown: OnUnknown;
  /** From 0 to 1. Spreads the attempts of many messages. */
  readonly random: number;
  /** Whether the message may go through another definition now. */
  readonly hasNextServer: boolean;
  /** Whether this is the only definition that it may go through. */
  readonly hasOneServer: boolean;
  /** Whether the definition has a circuit, which holds messages back while the server is unreachable. */
  readonly hasCircuit: boolean;
}

/** The progress of a recipient after an attempt, and the outcome and decision to record. */
interface AfterAttempt {
  readonly progress: RecipientProgress;
  readonly outcome: MailAttempt["outcome"];
  readonly decision: MailAttempt["decision"];
}

/** The part of an attempt's record that its receipt decides. */
type RecordedAttempt = Omit<MailAttempt, "mailId" | "recipient" | "identifier" | "date">;

/** RFC 5321 3.8: the server closes the connection, whatever the message. */
const SERVICE_NOT_AVAILABLE = 421;

/**
 * Whether another definition may succeed, because the server or the definition is at fault. A rate limit reported after
 * MAIL only takes time, and a message that may have been accepted goes nowhere else.
 */
export function failsOver(failure: Failure): boolean {
  if (failure.outcome === "unknown" || failure.fault !== "server" || failure.code === "cancelled")
    return false;
  if (isBefore(failure.phase, "sender")) return true;
  return failure.code !== "rate_limited" && smtpReplyOf(failure)?.code !== SERVICE_NOT_AVAILABLE;
}

/**
 * Decides what follows an attempt. The reply code says whether a failure is transient (RFC 5321 4.2.1). Only a permanent
 * failure of the message itself, or a deleted definition, is final. A fault of the server or the definition can be fixed,
 * so the message waits.
 */
export function afterAttempt(
  before: RecipientProgress,
  receipt: Receipt,
  context: AttemptContext,
): AfterAttempt {
  const attempts = before.attempts + 1;
  if (receipt.successful) return final({ ...before, attempts, failure: null }, "sent", "sent");
  const { failure } = receipt;
  const progress = { ...before, attempts, failure };
  if (failure.outcome === "unknown") return afterUnknown(progress, "unknown", context);
  // Sealpost aborted before the server received the message, which does not count as an attempt.
  if (failure.code === "cancelled") return waiting({ ...before, failure }, context.now, "retry");
  if (context.hasNextServer && failsOver(failure)) return waiting(progress, context.now, "next-server");
  if (isFinal(failure, context))
    return final(progress, progress.mayBeSent ? "unknown" : "failed", "not-sent");
  const dueAt = nextAttemptAt({ ...context, ...before }, context.now, waitAfter(failure, attempts, context));
  // Without a connection there was no attempt, so the waits do not grow.
  return waiting(failure.wasWaiting ? { ...before, failure } : progress, dueAt, "retry");
}

/** Decides what follows when the server may have accepted the message. */
export function afterUnknown(
  progress: RecipientProgress,
  outcome: "unknown" | "lost",
  context: AttemptContext,
): AfterAttempt {
  if (context.onUnknown === "stop") return final(progress, "unknown", outcome);
  const { attempts } = progress;
  const waitMs = backoffMs(attempts, context.random);
  // The expired lease of the lost worker was a sufficient wait.
  const dueAt =
    outcome === "lost"
      ? context.now
      : nextAttemptAt({ ...context, ...progress }, context.now, { waitMs, minWaitMs: 0, attempts });
  if (dueAt >= context.giveUpAt) return final(progress, "unknown", outcome);
  return { ...waiting({ ...progress, mayBeSent: true }, dueAt, "repeat"), outcome };
}

/** Returns the state of a recipient when its message expires or is given up. */
export function stateAtEnd(
  { failure, mayBeSent }: Pick<RecipientProgress, "failure" | "mayBeSent">,
  { expiresAt, giveUpAt }: Pick<AttemptContext, "expiresAt" | "giveUpAt">,
): FinalState {
  if (mayBeSent || failure?.outcome === "unknown") return "unknown";
  return expiresAt !== null && expiresAt <= giveUpAt ? "expired" : "failed";
}

function isFinal({ fault, retryable, code }: Failure, { hasOneServer }: AttemptContext): boolean {
  return (code === "server_unknown" && hasOneServer) || (fault === "mail" && !retryable);
}

function waitAfter(failure: Failure, attempts: number, { random, hasCircuit }: AttemptContext) {
  const delayMs = failure.retryAfterMs ?? serverDelayMs(smtpReplyOf(failure));
  if (delayMs !== null) {
    return { waitMs: backoffAfterDelayMs(delayMs, attempts, random), minWaitMs: delayMs, attempts };
  }
  // An open circuit makes messages wait. Until it opens, no wait is longer than the one between its probes.
  const isUnreachable = hasCircuit && isBefore(failure.phase, "auth");
  const waitMs = backoffMs(attempts, random, isUnreachable ? PROBE_INTERVAL_MS : MAX_BACKOFF_MS);
  return { waitMs, minWaitMs: 0, attempts };
}

/** An HTTP status is no reply code, and `Retry-After` has the delay. */
function smtpReplyOf({ reply, isHttp }: Failure): SmtpReply | null {
  return isHttp ? null : reply;
}

function final(
  progress: RecipientProgress,
  state: FinalState,
  outcome: MailAttempt["outcome"],
): AfterAttempt {
  return { progress: { ...progress, state, dueAt: null }, outcome, decision: "ended" };
}

function waiting(
  progress: RecipientProgress,
  dueAt: number,
  decision: MailAttempt["decision"],
): AfterAttempt {
  const state = progress.attempts === 0 ? "queued" : "deferred";
  return { progress: { ...progress, state, dueAt }, outcome: "not-sent", decision };
}

/** Returns what is recorded of an attempt. */
export function attemptRecord(
  { outcome, decision }: Pick<AfterAttempt, "outcome" | "decision">,
  receipt: Receipt,
): RecordedAttempt {
  const failure = receipt.successful ? null : receipt.failure;
  return {
    outcome,
    decision,
    phase: failure?.phase ?? "",
    code: failure?.code ?? "",
    reply: receipt.successful ? receipt.reply : (failure?.reply ?? null),
    timingMs: receipt.timingMs,
  };
}
