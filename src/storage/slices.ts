import { setTimeout } from "node:timers/promises";
import { type SQL, sql } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import type { Database, WriteStatement } from "../contracts/database.ts";

/** Rows that one statement deletes. No other work waits longer than for these. */
const SLICE_ROWS = 1_000;

/** Condition: the row is in a slice of those that fulfill a condition. Not every SQLite has `DELETE … LIMIT`. */
export function isInSlice(table: SQLiteTable, where: SQL | undefined): SQL {
  return sql`rowid IN (SELECT rowid FROM ${table} WHERE ${where} LIMIT ${SLICE_ROWS})`;
}

/**
 * Commits statements that each affect a slice, and repeats groups of them until they have affected all rows. Between two
 * commits, the process does other work. An interruption loses nothing of what was committed before.
 */
export async function commitSlices(
  { commit }: Pick<Database, "commit">,
  ...groups: readonly (readonly WriteStatement[])[]
): Promise<void> {
  for (let left = groups; left.length > 0; ) {
    const counts = (await commit(left.flat())).map(({ rowsAffected }) => rowsAffected);
    left = left.filter(({ length }) => counts.splice(0, length).some((count) => count >= SLICE_ROWS));
    if (left.length > 0) await setTimeout(0);
  }
}
