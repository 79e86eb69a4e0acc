import { eq, lt, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { tryWindow } from "./schema.ts";

export type TryRepository = ReturnType<typeof createTryRepository>;

/** Counted tries. What writes is an unexecuted statement for `commit`. */
export function createTryRepository({ write }: Database) {
  return {
    /** Counts one try and returns the row; a window that has ended begins anew. */
    add(key: string, now: Date, endsAt: Date) {
      const ended = sql`${tryWindow.endsAt} <= ${sql.param(now, tryWindow.endsAt)}`;
      return write
        .insert(tryWindow)
        .values({ key, count: 1, endsAt })
        .onConflictDoUpdate({
          target: tryWindow.key,
          set: {
            count: sql`CASE WHEN ${ended} THEN 1 ELSE ${tryWindow.count} + 1 END`,
            endsAt: sql`CASE WHEN ${ended} THEN excluded.ends_at ELSE ${tryWindow.endsAt} END`,
          },
        })
        .returning();
    },

    /** Takes one try back. */
    takeBack(key: string) {
      return write
        .update(tryWindow)
        .set({ count: sql`max(0, ${tryWindow.count} - 1)` })
        .where(eq(tryWindow.key, key));
    },

    /** Deletes the windows that have ended. */
    prune(now: Date) {
      return write.delete(tryWindow).where(lt(tryWindow.endsAt, now));
    },
  };
}
