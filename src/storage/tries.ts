import { between, eq, lt, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { tryWindow } from "./schema.ts";

/** How far the clocks of machines on one database may differ. */
export const CLOCK_SKEW_MS = 60_000;

export type TryRepository = ReturnType<typeof createTryRepository>;

/** Counted tries. What writes is an unexecuted statement for `commit`. */
export function createTryRepository({ write }: Database) {
  return {
    /**
     * Counts one and returns the row; all beyond `most` count as one. A window that has ended starts again, and so does
     * one that ends later than a new one would: it dates from before the clock was put back.
     */
    take(key: string, most: number, now: Date, endsAt: Date) {
      const latest = new Date(endsAt.getTime() + CLOCK_SKEW_MS);
      const isCurrent = between(tryWindow.endsAt, new Date(now.getTime() + 1), latest);
      return write
        .insert(tryWindow)
        .values({ key, failed: 1, undecided: 0, endsAt })
        .onConflictDoUpdate({
          target: tryWindow.key,
          set: {
            failed: sql`CASE WHEN ${isCurrent} THEN min(${tryWindow.failed}, ${sql.param(most, tryWindow.failed)}) + 1 ELSE 1 END`,
            endsAt: sql`CASE WHEN ${isCurrent} THEN ${tryWindow.endsAt} ELSE excluded.ends_at END`,
          },
        })
        .returning();
    },

    /** Takes one back. */
    giveBack(key: string) {
      return write
        .update(tryWindow)
        .set({ failed: sql`max(0, ${tryWindow.failed} - 1)` })
        .where(eq(tryWindow.key, key));
    },

    /** Deletes the windows that have ended. */
    prune(now: Date) {
      return write.delete(tryWindow).where(lt(tryWindow.endsAt, now));
    },
  };
}
