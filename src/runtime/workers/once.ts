import { SealpostError } from "../../errors.ts";

/** The request that runs the action may be ended. After this long another one runs it. */
const LEASE_MS = 15_000;
/** Interval at which a waiting request checks for the end. */
const POLL_INTERVAL_MS = 5;
/** A request waits no longer than this. */
const WAIT_MS = 20_000;
const RETRY_SECONDS = 5;

/**
 * Runs an action once for all requests of an isolate. One request runs it, and the others check every few milliseconds
 * whether it is done: on Workers a promise belongs to the request that created it, and a request that awaits one of
 * another request hangs. If the action fails, it fails for all that waited, and the next request runs it again.
 * @example
 * ```ts
 * const ready = createOnce(() => sealpost.start());
 *
 * export default {
 *   async fetch(request: Request): Promise<Response> {
 *     await ready();
 *     return sealpost.app.fetch(request);
 *   },
 * };
 * ```
 */
export function createOnce(run: () => Promise<void>): () => Promise<void> {
  let isDone = false;
  let leaseEndsMs = 0;
  /** Number of failures, and the reason of the last. */
  let failures = 0;
  let failure: unknown;

  async function lead(): Promise<void> {
    const mine = performance.now() + LEASE_MS;
    leaseEndsMs = mine;
    try {
      await run();
      isDone = true;
    } catch (error) {
      failures++;
      failure = error;
      throw error;
    } finally {
      if (leaseEndsMs === mine) leaseEndsMs = 0;
    }
  }

  return async () => {
    const seenFailures = failures;
    const endMs = performance.now() + WAIT_MS;
    while (!isDone) {
      if (failures > seenFailures) throw failure;
      if (performance.now() >= leaseEndsMs) return lead();
      if (performance.now() >= endMs) throw tooSlow();
      await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
    }
  };
}

function tooSlow(): SealpostError {
  return new SealpostError("database_unavailable", "This instance is still starting: try again in a moment", {
    retryAfterSeconds: RETRY_SECONDS,
  });
}
