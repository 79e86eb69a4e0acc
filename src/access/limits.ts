import { setTimeout } from "node:timers/promises";
import type { Platform } from "../contracts/platform.ts";
import { SealpostError } from "../errors.ts";
import type { Database } from "../storage/database.ts";
import type { TryRepository } from "../storage/tries.ts";

/** So many failures under this key within a window. */
export interface Limit {
  readonly key: string;
  readonly most: number;
}

/** A try that was let through and is not decided yet. */
export interface Try {
  settle(outcome: "failed" | "succeeded"): Promise<void>;
}

/** @throws {SealpostError} `too_many_tries`. */
export type BeginTry = (limits: readonly Limit[], windowSeconds: number) => Promise<Try>;

/** How long a try waits for others that are not decided yet, and how often it looks. */
const LOOKS = 50;
const LOOK_EVERY_MS = 100;
/** When to come back if the others are still not decided. */
const UNDECIDED_RETRY_SECONDS = 1;

/**
 * Makes what lets tries through. A try takes a place in the database before it is made, so that parallel tries and
 * other processes do not slip through; where only undecided ones are in the way, it waits for them.
 */
export function createBeginTry(parts: {
  readonly database: Database;
  readonly tries: TryRepository;
  readonly platform: Platform;
}): BeginTry {
  const { database, tries, platform } = parts;

  const settle = async (limits: readonly Limit[], failures: 0 | 1) => {
    await database.commit(limits.map((limit) => tries.settle(limit.key, failures)));
  };

  return async (limits, windowSeconds) => {
    for (let look = 0; look < LOOKS; look++) {
      const now = platform.now();
      const endsAt = new Date(now.getTime() + windowSeconds * 1000);
      const rows = (await database.commit(limits.map(({ key }) => tries.begin(key, now, endsAt)))).flat();
      const places = rows.map((row, at) => ({ ...row, most: limits[at]?.most ?? 0 }));
      if (places.every(({ failed, undecided, most }) => failed + undecided <= most)) {
        return { settle: (outcome) => settle(limits, outcome === "failed" ? 1 : 0) };
      }
      await settle(limits, 0);
      const full = places.filter(({ failed, most }) => failed >= most);
      if (full.length > 0) throw tooManyTries(Math.max(...full.map((row) => row.endsAt.getTime())), now);
      await setTimeout(LOOK_EVERY_MS);
    }
    throw refusal(UNDECIDED_RETRY_SECONDS);
  };
}

function tooManyTries(endsAtMs: number, now: Date): SealpostError {
  return refusal(Math.max(1, Math.ceil((endsAtMs - now.getTime()) / 1000)));
}

function refusal(seconds: number): SealpostError {
  return new SealpostError("too_many_tries", `Too many tries; try again in ${seconds} seconds`, {
    retryAfterSeconds: seconds,
  });
}
