import { type Failure, isBefore, type Receipt } from "../../domain/delivery.ts";
import type { FinalState, MailAttempt, OnUnknown, RecipientProgress } from "../../domain/queued-mail.ts";
import {
  backoffAfterDelayMs,
  backoffMs,
  type Lifetime,
  MAX_BACKOFF_MS,
  nextAttemptAt,
  PROBE_INTERVAL_MS,
} from "./backoff.ts";
import { serverDelayMs } from "./server-delay.ts";

/** What the next step depends on, in addition to the receipt. Times in milliseconds since the epoch. */
export interface AttemptContext extends Lifetime {
  readonly now: number;
  /** `null` if the message does not expire. */
  readonly expiresAt: number | null;
  readonly onUnknown: OnUnknown;
  /** From 0 to 1; spreads the attempts of many messages. */
  readonly random: number;
  /** Whether the message may go through another definition now. */
  readonly hasNextServer: boolean;
  /** Whether this is the only definition that it may go through. */
  readonly hasOneServer: boolean;
  /** Whether the definition has a circuit, which keeps messages from a server that cannot be reached. */
  readonly hasCircuit: boolean;
}

/** The progress of a recipient after an attempt, and what the record of the attempt states. */
export interface AfterAttempt {
  readonly progress: RecipientProgress;
  readonly outcome: MailAttempt["outcome"];
  readonly decision: MailAttempt["decision"];
}

/** RFC 5321 3.8: the server closes the connection, for all that wait. */
const SERVICE_NOT_AVAILABLE = 421;

/**
 * Whether another definition may do better: where the server or the definition is at fault. A limit that the server
 * states after it knows the sender is left to time, and what may have been accepted goes nowhere else.
 */
export function failsOver(failure: Failure): boolean {
  if (failure.outcome === "unknown" || failure.fault !== "server" || failure.code === "cancelled")
    return false;
  if (isBefore(failure.phase, "sender")) return true;
  return failure.code !== "rate_limited" && failure.reply?.code !== SERVICE_NOT_AVAILABLE;
}

/**
 * Decides what follows an attempt. Only a permanent failure of the message itself is final (RFC 5321 4.2.1), or a
 * definition that was deleted; where the server or the definition is at fault, the message waits for them.
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
  // We stopped before the server had the message: that does not count as an attempt.
  if (failure.code === "cancelled") return waiting({ ...before, failure }, context.now, "retry");
  if (context.hasNextServer && failsOver(failure)) return waiting(progress, context.now, "next-server");
  if (isFinal(failure, context)) return final(progress, "failed", "not-sent");
  return waiting(
    progress,
    nextAttemptAt(context, context.now, waitAfter(failure, attempts, context)),
    "retry",
  );
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
  // The lease of the worker that was lost has been wait enough.
  const dueAt =
    outcome === "lost"
      ? context.now
      : nextAttemptAt(context, context.now, { waitMs, minWaitMs: 0, attempts });
  if (dueAt >= context.giveUpAt) return final(progress, "unknown", outcome);
  return { ...waiting(progress, dueAt, "repeat"), outcome };
}

/** The state of a recipient at the message's end. */
export function stateAtEnd(
  { failure }: Pick<RecipientProgress, "failure">,
  { expiresAt, giveUpAt }: Pick<AttemptContext, "expiresAt" | "giveUpAt">,
): FinalState {
  if (failure?.outcome === "unknown") return "unknown";
  return expiresAt !== null && expiresAt <= giveUpAt ? "expired" : "failed";
}

function isFinal({ fault, retryable, code }: Failure, { hasOneServer }: AttemptContext): boolean {
  return (code === "server_unknown" && hasOneServer) || (fault === "mail" && !retryable);
}

function waitAfter(failure: Failure, attempts: number, { random, hasCircuit }: AttemptContext) {
  const delayMs = serverDelayMs(failure.reply);
  if (delayMs !== null) {
    return { waitMs: backoffAfterDelayMs(delayMs, attempts, random), minWaitMs: delayMs, attempts };
  }
  // The circuit does the waiting; until it opens, none may be longer than that of its probes.
  const isUnreachable = hasCircuit && isBefore(failure.phase, "auth");
  const waitMs = backoffMs(attempts, random, isUnreachable ? PROBE_INTERVAL_MS : MAX_BACKOFF_MS);
  return { waitMs, minWaitMs: 0, attempts };
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
