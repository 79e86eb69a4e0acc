import { CLOCK_TOLERANCE_MS } from "../domain/clock.ts";
import type { Failure } from "../domain/delivery.ts";
import type { TokenResult } from "../domain/oauth.ts";
import type { Secret } from "../domain/secret.ts";

/** An access token and its life. Times are in milliseconds since the epoch. */
interface KnownToken {
  readonly accessToken: Secret;
  readonly obtainedAt: number;
  readonly lifeMs: number;
}

/** A token request that failed, for which no other is sent for some time. */
interface KnownFailure {
  readonly failure: Failure;
  readonly failedAt: number;
  /** Consecutive failures, this one included. */
  readonly count: number;
}

/** The latest results of the token requests of one definition. */
export interface TokenState {
  readonly token: KnownToken | null;
  readonly failed: KnownFailure | null;
  /** When a token was requested last because the server had rejected one; `null` if never. */
  readonly renewedAt: number | null;
}

export const NOTHING_KNOWN: TokenState = { token: null, failed: null, renewedAt: null };

const SECOND_MS = 1_000;
/** Short, because a token may end at any time if the endpoint does not say when. */
const DEFAULT_LIFE_SECONDS = 300;
const MAX_LIFE_SECONDS = 7 * 24 * 3_600;
/** A token is replaced when a tenth of its life is left, within these bounds. */
const REFRESH_SHARE = 0.1;
const MIN_REFRESH_MS = 60 * SECOND_MS;
const MAX_REFRESH_MS = 600 * SECOND_MS;
/** Waits after the first, second, … failure. Those that only an admin can end are longer. */
const TRANSIENT_WAITS_MS = [1, 5, 30].map((seconds) => seconds * SECOND_MS);
const PERMANENT_WAITS_MS = [5, 15, 60].map((seconds) => seconds * SECOND_MS);
/** An endpoint that asks for a longer delay is asked again after this. */
const MAX_WAIT_MS = 3_600 * SECOND_MS;
/** Shortest time between two tokens for a server that rejects them all: it may not allow the login at all. */
const RENEWAL_INTERVAL_MS = 10 * SECOND_MS;

/**
 * Returns the token, or the failure, that a caller gets without a request; `null` if a request is due. A token that is
 * due for replacement is good until its end if the request failed.
 * @param now milliseconds since the epoch.
 * @param rejected a token that the server rejected. If none was requested recently, it takes a newer one.
 */
export function resultOf(state: TokenState, now: number, rejected: Secret | null): TokenResult | null {
  const { token, failed, renewedAt } = withoutFuture(state, now);
  const isRejected = rejected !== null && token?.accessToken.reveal() === rejected.reveal();
  const found = token && { successful: true as const, accessToken: token.accessToken };
  const isAlive = token !== null && now < token.obtainedAt + token.lifeMs;
  if (found && !isRejected && now < refreshAt(token)) return found;
  if (found && isAlive && isRejected && renewedAt !== null && now < renewedAt + RENEWAL_INTERVAL_MS) {
    return found;
  }
  const waitMs = failed === null ? 0 : failed.failedAt + waitAfter(failed) - now;
  if (failed === null || waitMs <= 0) return null;
  return found && isAlive && !isRejected ? found : { successful: false, failure: waiting(failed, waitMs) };
}

/** Returns when a token is replaced, in milliseconds since the epoch. */
function refreshAt({ obtainedAt, lifeMs }: KnownToken): number {
  const marginMs = Math.max(MIN_REFRESH_MS, Math.min(MAX_REFRESH_MS, lifeMs * REFRESH_SHARE));
  return obtainedAt + Math.max(lifeMs - marginMs, lifeMs / 2);
}

function waitAfter({ failure, count }: KnownFailure): number {
  const waits = failure.retryable ? TRANSIENT_WAITS_MS : PERMANENT_WAITS_MS;
  const wait = waits[Math.min(count, waits.length) - 1] ?? 0;
  return Math.min(MAX_WAIT_MS, Math.max(SECOND_MS, failure.retryAfterMs ?? wait));
}

/** The delay that the endpoint asked for has become shorter. */
function waiting({ failure }: KnownFailure, waitMs: number): Failure {
  return failure.retryAfterMs === undefined ? failure : { ...failure, retryAfterMs: waitMs };
}

/** Drops what was stored before the clock was set back. */
function withoutFuture({ token, failed, renewedAt }: TokenState, now: number): TokenState {
  const isPast = (time: number): boolean => time <= now + CLOCK_TOLERANCE_MS;
  return {
    token: token && isPast(token.obtainedAt) ? token : null,
    failed: failed && isPast(failed.failedAt) ? failed : null,
    renewedAt: renewedAt !== null && isPast(renewedAt) ? renewedAt : null,
  };
}

/** Returns the life of a token, in milliseconds. @param expiresInSeconds `null` if the endpoint did not say. */
export function lifeOf(expiresInSeconds: number | null): number {
  const seconds = expiresInSeconds !== null && expiresInSeconds > 0 ? expiresInSeconds : DEFAULT_LIFE_SECONDS;
  return Math.min(seconds, MAX_LIFE_SECONDS) * SECOND_MS;
}

/** Returns the state after a request that got a token. @param isRenewal whether the server had rejected one. */
export function withToken(state: TokenState, token: KnownToken, isRenewal: boolean): TokenState {
  return { token, failed: null, renewedAt: isRenewal ? token.obtainedAt : state.renewedAt };
}

/** Returns the state after a request that failed. */
export function withFailure(state: TokenState, failure: Failure, failedAt: number): TokenState {
  return { ...state, failed: { failure, failedAt, count: (state.failed?.count ?? 0) + 1 } };
}
