import { eq, inArray, lt, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { tryWindow } from "./schema.ts";

/** Tries that were counted under a key within its window. */
export type CountedTries = typeof tryWindow.$inferSelect;
export type TryRepository = ReturnType<typeof createTryRepository>;

/** Counted tries. What writes is an unexecuted statement for `commit`. */
export function createTryRepository({ read, write }: Database) {
  return {
    /** The running windows among these keys. */
    async running(keys: readonly string[], now: Date): Promise<CountedTries[]> {
      const rows = await read
        .select()
        .from(tryWindow)
        .where(inArray(tryWindow.key, [...keys]));
      return rows.filter((row) => row.endsAt > now);
    },

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
