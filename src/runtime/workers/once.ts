import { SealpostError } from "../../errors.ts";

/** Whoever does it may be cut off with his request; after this long somebody else does it. */
const LEASE_MS = 15_000;
/** The time between two looks of those who wait. */
const LOOK_EVERY_MS = 5;
/** A start that takes this long is as good as none. */
const WAIT_MS = 20_000;
const RETRY_SECONDS = 5;

/**
 * Makes an action run once for all requests of an isolate. One request does it and the others look every few
 * milliseconds whether it is done: on Workers a promise belongs to the request that made it, and whoever awaits one
 * of another request hangs. If it fails, it has failed for all who waited, and the next request tries again.
 */
export function createOnce(run: () => Promise<void>): () => Promise<void> {
  let isDone = false;
  let leaseEndsMs = 0;
  /** How often it has failed, and why the last time. */
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
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  };
}

function tooSlow(): SealpostError {
  return new SealpostError("database_unavailable", "This instance is still starting; try again in a moment", {
    retryAfterSeconds: RETRY_SECONDS,
  });
}
