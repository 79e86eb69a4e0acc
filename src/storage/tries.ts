import { eq, lt, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { tryWindow } from "./schema.ts";

export type TryRepository = ReturnType<typeof createTryRepository>;

/** Counted tries. What writes is an unexecuted statement for `commit`. */
export function createTryRepository({ write }: Database) {
  return {
    /** Takes a place for a try and returns the row; a window that has ended begins anew. */
    begin(key: string, now: Date, endsAt: Date) {
      const ended = sql`${tryWindow.endsAt} <= ${sql.param(now, tryWindow.endsAt)}`;
      return write
        .insert(tryWindow)
        .values({ key, failed: 0, undecided: 1, endsAt })
        .onConflictDoUpdate({
          target: tryWindow.key,
          set: {
            failed: sql`CASE WHEN ${ended} THEN 0 ELSE ${tryWindow.failed} END`,
            undecided: sql`CASE WHEN ${ended} THEN 1 ELSE ${tryWindow.undecided} + 1 END`,
            endsAt: sql`CASE WHEN ${ended} THEN excluded.ends_at ELSE ${tryWindow.endsAt} END`,
          },
        })
        .returning();
    },

    /** Gives the place back, and counts a failure if it was one. */
    settle(key: string, failures: 0 | 1) {
      return write
        .update(tryWindow)
        .set({
          failed: sql`${tryWindow.failed} + ${sql.param(failures, tryWindow.failed)}`,
          undecided: sql`max(0, ${tryWindow.undecided} - 1)`,
        })
        .where(eq(tryWindow.key, key));
    },

    /** Counts one and returns the row; refused ones beyond `most` are not told apart. */
    take(key: string, most: number, now: Date, endsAt: Date) {
      const ended = sql`${tryWindow.endsAt} <= ${sql.param(now, tryWindow.endsAt)}`;
      return write
        .insert(tryWindow)
        .values({ key, failed: 1, undecided: 0, endsAt })
        .onConflictDoUpdate({
          target: tryWindow.key,
          set: {
            failed: sql`CASE WHEN ${ended} THEN 1 ELSE min(${tryWindow.failed}, ${sql.param(most, tryWindow.failed)}) + 1 END`,
            endsAt: sql`CASE WHEN ${ended} THEN excluded.ends_at ELSE ${tryWindow.endsAt} END`,
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
