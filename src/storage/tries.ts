import { eq, lt, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { placeholdersFor } from "./prepare.ts";
import { tryWindow } from "./schema.ts";

export type TryRepository = ReturnType<typeof createTryRepository>;

/** Counted attempts. What writes is an unexecuted statement for `commit`. */
export function createTryRepository({ write, prepare }: Database) {
  const { key, endsAt, failures, max } = placeholdersFor(["key", "endsAt", "failures", "max"]);
  const ended = sql`${tryWindow.endsAt} <= ${sql.param(sql.placeholder("now"), tryWindow.endsAt)}`;
  const nextEnd = sql`CASE WHEN ${ended} THEN excluded.ends_at ELSE ${tryWindow.endsAt} END`;
  const isKey = eq(tryWindow.key, key);

  const begin = prepare(
    write
      .insert(tryWindow)
      .values({ key, failed: 0, undecided: 1, endsAt })
      .onConflictDoUpdate({
        target: tryWindow.key,
        set: {
          failed: sql`CASE WHEN ${ended} THEN 0 ELSE ${tryWindow.failed} END`,
          undecided: sql`CASE WHEN ${ended} THEN 1 ELSE ${tryWindow.undecided} + 1 END`,
          endsAt: nextEnd,
        },
      })
      .returning(),
  );
  const settle = prepare(
    write
      .update(tryWindow)
      .set({
        failed: sql`${tryWindow.failed} + ${sql.param(failures, tryWindow.failed)}`,
        undecided: sql`max(0, ${tryWindow.undecided} - 1)`,
      })
      .where(isKey),
  );
  const take = prepare(
    write
      .insert(tryWindow)
      .values({ key, failed: 1, undecided: 0, endsAt })
      .onConflictDoUpdate({
        target: tryWindow.key,
        set: {
          failed: sql`CASE WHEN ${ended} THEN 1 ELSE min(${tryWindow.failed}, ${sql.param(max, tryWindow.failed)}) + 1 END`,
          endsAt: nextEnd,
        },
      })
      .returning(),
  );
  const giveBack = prepare(
    write
      .update(tryWindow)
      .set({ failed: sql`max(0, ${tryWindow.failed} - 1)` })
      .where(isKey),
  );
  return {
    /** Takes a place for an attempt and returns the row; a window that has ended starts again. */
    begin: (key: string, now: Date, endsAt: Date) => begin({ key, now, endsAt }),

    /** Gives the place back, and counts a failure if it was one. */
    settle: (key: string, failures: 0 | 1) => settle({ key, failures }),

    /** Counts one and returns the row; rejected ones beyond `max` are not told apart. */
    take: (key: string, max: number, now: Date, endsAt: Date) => take({ key, max, now, endsAt }),

    /** Takes one back. */
    giveBack: (key: string) => giveBack({ key }),

    /** Deletes the windows that have ended. */
    prune(now: Date) {
      return write.delete(tryWindow).where(lt(tryWindow.endsAt, now));
    },
  };
}
