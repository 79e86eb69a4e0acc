/** The longest first wait. The longest wait doubles with each attempt. */
const INITIAL_BACKOFF_MS = 5_000;
/** RFC 5321 4.5.4.1 asks for increasing intervals, but login mail is rarely useful after hours. */
export const MAX_BACKOFF_MS = 3_600_000;
/** The wait between two probes of a server that could not be reached. */
export const PROBE_INTERVAL_MS = 30_000;
/** The longest wait while the server rejects the login, because more attempts would lock the account. */
export const MAX_PROBE_INTERVAL_MS = 15 * 60_000;
/** An attempt starts up to a quarter of the server's delay, plus 15 s, later than the server asks. */
const DELAY_SPREAD = 0.25;
const DELAY_SPREAD_MS = 15_000;
/** The last attempt starts one twentieth of the message's lifetime before its end, within these bounds. */
const LAST_ATTEMPT_SHARE = 0.05;
const MIN_LAST_ATTEMPT_MS = 3_000;
/** On Workers a trigger polls for due messages once a minute. */
const MAX_LAST_ATTEMPT_MS = 60_000;

/** The times of a message that bound its attempts, in milliseconds since the epoch. */
export interface Lifetime {
  readonly createdAt: number;
  /** When its attempts start. Default: `createdAt`. */
  readonly startsAt?: number;
  /** No attempt starts after this. */
  readonly giveUpAt: number;
}

/**
 * Returns the wait before the next attempt, in milliseconds: a random share of an interval that doubles with each
 * attempt, so that messages that failed together are not repeated together.
 * @param random from 0 to 1.
 */
export function backoffMs(attempts: number, random: number, maxMs = MAX_BACKOFF_MS): number {
  const intervalMs = Math.min(maxMs, INITIAL_BACKOFF_MS * 2 ** Math.max(0, attempts - 1));
  return Math.ceil(intervalMs * random);
}

/** Returns the wait before the next probe of an open circuit, in milliseconds. @param rejectedLogins how many in a row. */
export function probeIntervalMs(rejectedLogins: number): number {
  if (rejectedLogins === 0) return PROBE_INTERVAL_MS;
  return Math.min(MAX_PROBE_INTERVAL_MS, PROBE_INTERVAL_MS * 2 ** (rejectedLogins - 1));
}

/**
 * Returns the wait before the next attempt if the server named a delay, in milliseconds: at least the delay, and at most
 * a quarter and 15 s more. Within this range, a longer backoff makes the wait longer.
 */
export function backoffAfterDelayMs(delayMs: number, attempts: number, random: number): number {
  const latestMs = delayMs * (1 + DELAY_SPREAD) + DELAY_SPREAD_MS;
  const spreadMs = delayMs + (latestMs - delayMs) * random;
  return Math.floor(Math.min(latestMs, Math.max(spreadMs, backoffMs(attempts, random))));
}

/**
 * Returns when the next attempt starts, in milliseconds since the epoch. If that is after the message's end, one last
 * attempt starts shortly before the end. After the last attempt this is the end itself, when nothing is sent.
 * @param attempts including the one that has just failed.
 * @param minWaitMs the delay that the server asks for.
 */
export function nextAttemptAt(
  { createdAt, startsAt = createdAt, giveUpAt }: Lifetime,
  now: number,
  {
    waitMs,
    minWaitMs,
    attempts,
  }: { readonly waitMs: number; readonly minWaitMs: number; readonly attempts: number },
): number {
  const lastAt = giveUpAt - lastAttemptMs(giveUpAt - startsAt);
  if (now + waitMs <= lastAt) return now + waitMs;
  if (now < lastAt) return Math.max(lastAt, now + minWaitMs < giveUpAt ? now + minWaitMs : lastAt);
  // The queue was slow: the first attempt started when the last one was due.
  return attempts === 1 ? Math.ceil((now + giveUpAt) / 2) : giveUpAt;
}

function lastAttemptMs(lifetimeMs: number): number {
  return Math.min(MAX_LAST_ATTEMPT_MS, Math.max(MIN_LAST_ATTEMPT_MS, lifetimeMs * LAST_ATTEMPT_SHARE));
}
