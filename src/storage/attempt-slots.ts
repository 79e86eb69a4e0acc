import { eq, sql } from "drizzle-orm";
import type { Database, WriteStatement } from "../contracts/database.ts";
import type { RateLimit } from "../contracts/plugin/limits.ts";
import { MAX_CLOCK_SKEW_MS } from "../domain/clock.ts";
import { attemptSlot } from "./schema.ts";

/**
 * Lifetime of a slot, even if the process of its attempt dies. An admin can log in within 15 s: a slot, plus the poll
 * interval of a waiting login and its hash.
 */
const SLOT_MS = 12_000;

/** Attempts without a verdict. Writes are unexecuted statements for `commit`. */
export interface AttemptSlotRepository {
  /**
   * Reserves a slot under every key, or none: failures and undecided attempts count. The second statement affects one
   * row for each key, or 0.
   */
  reserve(
    attempt: string,
    limits: readonly RateLimit[],
    now: Date,
  ): readonly [expired: WriteStatement, reserved: WriteStatement];
  /** Frees the slots of an attempt. Affects fewer rows than it has keys if they have expired. */
  release(attempt: string): WriteStatement;
}

export function createAttemptSlotRepository({ write }: Database): AttemptSlotRepository {
  return {
    reserve(attempt, limits, now) {
      const nowMs = now.getTime();
      const wanted = limits.map(
        ({ key, max, windowSeconds }) =>
          sql`(${key}, ${max}, ${nowMs + windowSeconds * 1_000 + MAX_CLOCK_SKEW_MS})`,
      );
      return [
        // A clock that is set back must not keep a slot either.
        write.run(sql`DELETE FROM attempt_slot
          WHERE expires_at <= ${nowMs} OR expires_at > ${nowMs + SLOT_MS + MAX_CLOCK_SKEW_MS}`),
        write.run(sql`
          WITH wanted (key, max, latest) AS (VALUES ${sql.join(wanted, sql`, `)})
          INSERT INTO attempt_slot (attempt, key, expires_at)
          SELECT ${attempt}, key, ${nowMs + SLOT_MS} FROM wanted
          WHERE NOT EXISTS (
            SELECT 1 FROM wanted AS w WHERE w.max <=
              (SELECT count(*) FROM attempt_slot AS s WHERE s.key = w.key)
              + coalesce((SELECT failed FROM try_window AS f WHERE f.key = w.key
                AND f.ends_at > ${nowMs} AND f.ends_at <= w.latest), 0))`),
      ];
    },

    release: (attempt) => write.delete(attemptSlot).where(eq(attemptSlot.attempt, attempt)),
  };
}
