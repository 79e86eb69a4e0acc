import { and, eq, lt, type SQL, sql } from "drizzle-orm";
import type { Database } from "../contracts/database.ts";
import { placeholdersFor } from "./prepare.ts";
import { tryWindow } from "./schema.ts";

/** How far the clocks of machines on one database may differ. */
export const CLOCK_SKEW_MS = 60_000;

export type TryRepository = ReturnType<typeof createTryRepository>;

/** Counted attempts. What writes is an unexecuted statement for `commit`. */
export function createTryRepository({ write, prepare }: Database) {
  const { key, endsAt, max } = placeholdersFor(["key", "endsAt", "max"]);
  const placeholder = (name: string) => sql.param(sql.placeholder(name), tryWindow.endsAt);
  const isCurrent = sql`${tryWindow.endsAt} > ${placeholder("now")} AND ${tryWindow.endsAt} <= ${placeholder("latest")}`;
  const isKey = eq(tryWindow.key, key);

  const take = prepare(
    write
      .insert(tryWindow)
      .values({ key, failed: 1, undecided: 0, endsAt })
      .onConflictDoUpdate({
        target: tryWindow.key,
        set: {
          failed: sql`CASE WHEN ${isCurrent} THEN min(${tryWindow.failed}, ${sql.param(max, tryWindow.failed)}) + 1 ELSE 1 END`,
          endsAt: sql`CASE WHEN ${isCurrent} THEN ${tryWindow.endsAt} ELSE excluded.ends_at END`,
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
    /**
     * Counts one and returns the row; all beyond `max` count as one. A window that has ended starts again, and so does
     * one that ends later than a new one would: it dates from before the clock was put back.
     */
    take: (key: string, max: number, now: Date, endsAt: Date) => {
      const latest = new Date(endsAt.getTime() + CLOCK_SKEW_MS);
      return take({ key, max, endsAt, now, latest });
    },

    /** Takes one back. */
    giveBack: (key: string) => giveBack({ key }),

    /** Takes one back where a condition holds. */
    giveBackWhere: (key: string, where: SQL) =>
      write
        .update(tryWindow)
        .set({ failed: sql`max(0, ${tryWindow.failed} - 1)` })
        .where(and(eq(tryWindow.key, key), where)),

    /** Whether none of these windows has more than its limit, as an expression. */
    isWithin: (limits: readonly { readonly key: string; readonly max: number }[]): SQL =>
      sql`NOT EXISTS (SELECT 1 FROM json_each(${JSON.stringify(limits)}) AS one JOIN ${tryWindow}
        ON ${tryWindow.key} = one.value ->> 'key' WHERE ${tryWindow.failed} > one.value ->> 'max')`,

    /** Deletes the windows that have ended. */
    prune(now: Date) {
      return write.delete(tryWindow).where(lt(tryWindow.endsAt, now));
    },
  };
}
