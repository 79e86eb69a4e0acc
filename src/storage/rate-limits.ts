import { lt, type Placeholder, type SQL, sql } from "drizzle-orm";
import type { Database, RowsStatement, WriteStatement } from "../contracts/database.ts";
import type { RateLimit } from "../contracts/plugin/limits.ts";
import { MAX_CLOCK_SKEW_MS } from "../domain/clock.ts";
import { isOneOf } from "./conditions.ts";
import { placeholdersFor } from "./drizzle.ts";
import { rateLimitWindow } from "./schema.ts";
import { isInSlice } from "./slices.ts";

export type RateLimitWindow = typeof rateLimitWindow.$inferSelect;

/** Counts of rate limits. Writes are unexecuted statements for `commit`. */
export interface RateLimitRepository {
  /**
   * Counts one event and returns the window. All events beyond `max` count as one. A window that has ended restarts, and
   * so does one that ends later than a new window would: it was created before the clock was set back.
   */
  consume(limit: RateLimit, now: Date): RowsStatement<RateLimitWindow>;
  /** Takes one event of each limit back if a condition holds. @param limits as in {@link RateLimitRepository.isWithin}. */
  refund(limits: string | Placeholder, where: SQL): WriteStatement;
  /** Whether no window exceeds its limit, as an expression. @param limits keys and maxima as JSON, or a placeholder for it. */
  isWithin(limits: string | Placeholder): SQL;
  /** Selects the windows of these limits. */
  windows(limits: readonly Pick<RateLimit, "key">[]): RowsStatement<RateLimitWindow>;
  /** Deletes a slice of the windows that have ended. */
  prune(now: Date): WriteStatement;
}

export function createRateLimitRepository({ write, prepare }: Database): RateLimitRepository {
  const { key, endsAt, max } = placeholdersFor(["key", "endsAt", "max"]);
  const placeholder = (name: string) => sql.param(sql.placeholder(name), rateLimitWindow.endsAt);
  const isCurrent = () =>
    sql`${rateLimitWindow.endsAt} > ${placeholder("now")} AND ${rateLimitWindow.endsAt} <= ${placeholder("latest")}`;
  const consume = prepare(() =>
    write
      .insert(rateLimitWindow)
      .values({ key, failed: 1, undecided: 0, endsAt })
      .onConflictDoUpdate({
        target: rateLimitWindow.key,
        set: {
          failed: sql`CASE WHEN ${isCurrent()} THEN min(${rateLimitWindow.failed}, ${sql.param(max, rateLimitWindow.failed)}) + 1 ELSE 1 END`,
          endsAt: sql`CASE WHEN ${isCurrent()} THEN ${rateLimitWindow.endsAt} ELSE excluded.ends_at END`,
        },
      })
      .returning(),
  );
  return {
    consume({ key, max, windowSeconds }, now) {
      const endMs = now.getTime() + windowSeconds * 1_000;
      return consume({ key, max, endsAt: new Date(endMs), now, latest: new Date(endMs + MAX_CLOCK_SKEW_MS) });
    },

    refund: (limits, where) =>
      // Text, because Drizzle's builder takes several times as long.
      write.run(sql`UPDATE try_window SET failed = max(0, failed - one.events)
        FROM (SELECT value ->> 'key' AS key, count(*) AS events FROM json_each(${limits}) GROUP BY 1) AS one
        WHERE try_window.key = one.key AND (${where})`),

    isWithin: (limits) =>
      sql`NOT EXISTS (SELECT 1 FROM json_each(${limits}) AS one JOIN try_window
        ON try_window.key = one.value ->> 'key' WHERE try_window.failed > one.value ->> 'max')`,

    windows(limits) {
      const keys = limits.map(({ key }) => key);
      return write.select().from(rateLimitWindow).where(isOneOf(rateLimitWindow.key, keys));
    },

    prune: (now) =>
      write.delete(rateLimitWindow).where(isInSlice(rateLimitWindow, lt(rateLimitWindow.endsAt, now))),
  };
}
