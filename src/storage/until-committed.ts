import { SealpostError } from "../errors.ts";

/** How often a change is decided again because what it was decided on has changed. */
const MAX_RESTARTS = 5;

/**
 * Decides and commits until nothing that was decided on has changed meanwhile.
 * @param attempt returns null if something has; see `Epoch.commit`.
 * @throws {SealpostError} `database_unavailable` after 5 restarts.
 */
export async function untilCommitted<T>(attempt: () => Promise<T | null>): Promise<T> {
  for (let restarts = 0; restarts <= MAX_RESTARTS; restarts++) {
    const result = await attempt();
    if (result !== null) return result;
  }
  throw new SealpostError(
    "database_unavailable",
    "Other requests keep changing the same: try again in a moment",
  );
}
