import { eq, inArray, sql } from "drizzle-orm";
import type { Database } from "../contracts/database.ts";
import { CLOCK_SKEW_MS } from "./rate-limits.ts";
import { attemptSlot, tryWindow } from "./schema.ts";

/**
 * How long an attempt may stay undecided. Its slot is then free, whatever happened to the process; an admin gets in
 * within 15 s, the interval of a waiting login's attempts and its hash included.
 */
export const SLOT_MS = 12_000;

/** At most `max` failures and undecided attempts under a key within a window. */
export interface AttemptLimit {
  readonly key: string;
  readonly max: number;
}

export type AttemptSlotRepository = ReturnType<typeof createAttemptSlotRepository>;

/** Attempts that are not decided yet. Writes are unexecuted statements for `commit`. */
export function createAttemptSlotRepository({ write }: Database) {
  return {
    /**
     * Reserves a slot under every key, or none. The second statement affects as many rows as there are keys, or 0; the
     * third returns the windows of failures.
     */
    reserve(attempt: string, limits: readonly AttemptLimit[], now: Date, windowSeconds: number) {
      const nowMs = now.getTime();
      const wanted = sql.join(
        limits.map(({ key, max }) => sql`(${key}, ${max})`),
        sql`, `,
      );
      const latestWindowMs = nowMs + windowSeconds * 1_000 + CLOCK_SKEW_MS;
      return [
        // A clock that was put back must not keep a slot either.
        write.run(sql`DELETE FROM attempt_slot
          WHERE expires_at <= ${nowMs} OR expires_at > ${nowMs + SLOT_MS + CLOCK_SKEW_MS}`),
        write.run(sql`
          WITH wanted (key, max) AS (VALUES ${wanted})
          INSERT INTO attempt_slot (attempt, key, expires_at)
          SELECT ${attempt}, key, ${nowMs + SLOT_MS} FROM wanted
          WHERE NOT EXISTS (
            SELECT 1 FROM wanted AS w WHERE w.max <=
              (SELECT count(*) FROM attempt_slot AS s WHERE s.key = w.key)
              + coalesce((SELECT failed FROM try_window AS f WHERE f.key = w.key
                AND f.ends_at > ${nowMs} AND f.ends_at <= ${latestWindowMs}), 0))`),
        windowsOf(limits),
      ] as const;
    },

    /** Frees the slots of an attempt. Affects fewer rows than it has keys if they have expired. */
    release(attempt: string) {
      return write.delete(attemptSlot).where(eq(attemptSlot.attempt, attempt));
    },

    windows: windowsOf,
  };

  function windowsOf(limits: readonly AttemptLimit[]) {
    const keys = limits.map(({ key }) => key);
    return write.select().from(tryWindow).where(inArray(tryWindow.key, keys));
  }
}
