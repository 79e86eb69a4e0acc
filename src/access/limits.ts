import type { Platform } from "../contracts/platform.ts";
import { SealpostError } from "../errors.ts";
import type { Database } from "../storage/database.ts";
import type { TryRepository } from "../storage/tries.ts";

/** So many tries under this key within a window. */
export interface Limit {
  readonly key: string;
  readonly most: number;
}

/** Tries that have been counted; a try that turned out well is taken back. */
export interface Tries {
  takeBack(): Promise<void>;
}

export type CountTries = (limits: readonly Limit[], windowSeconds: number) => Promise<Tries>;

/**
 * Makes the counter of tries. A try is counted before it is made, in the database, so that parallel tries and other
 * processes do not slip through.
 */
export function createCountTries(parts: {
  readonly database: Database;
  readonly tries: TryRepository;
  readonly platform: Platform;
}): CountTries {
  const { database, tries, platform } = parts;
  return async (limits, windowSeconds) => {
    const now = platform.now();
    const endsAt = new Date(now.getTime() + windowSeconds * 1000);
    const counted = (await database.commit(limits.map((limit) => tries.add(limit.key, now, endsAt)))).flat();
    const over = counted.filter((row, at) => row.count > (limits[at]?.most ?? 0));
    if (over.length > 0) throw tooManyTries(Math.max(...over.map((row) => row.endsAt.getTime())), now);
    return {
      async takeBack() {
        await database.commit(limits.map((limit) => tries.takeBack(limit.key)));
      },
    };
  };
}

function tooManyTries(endsAtMs: number, now: Date): SealpostError {
  const seconds = Math.max(1, Math.ceil((endsAtMs - now.getTime()) / 1000));
  return new SealpostError("too_many_tries", `Too many tries; try again in ${seconds} seconds`, {
    retryAfterSeconds: seconds,
  });
}
