import { getTableName, sql } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import type { Database } from "../../contracts/database.ts";
import { listTables, STAYS } from "./tables.ts";

/** Filled by a start and by requests before anything is set up. */
const FILLED_BY_START = "epoch instance audit idempotency try_window attempt_slot server_health".split(" ");
/** A start creates the first admin. */
const FIRST_ADMIN = "admin";

/**
 * Returns a table that has data of a user; `null` if the instance is as its first start left it.
 * @param transient tables of plugins that requests fill before anything is set up.
 */
export async function tableInUse(
  database: Database,
  transient: readonly SQLiteTable[],
): Promise<string | null> {
  const names = (await listTables(database)).own.map(({ name }) => name);
  const ignored = [...FILLED_BY_START, ...STAYS, ...transient.map(getTableName)];
  for (const name of names.filter((one) => !ignored.includes(one))) {
    const max = name === FIRST_ADMIN ? 1 : 0;
    const found = await database.read.all(sql`SELECT 1 FROM ${sql.identifier(name)} LIMIT ${max + 1}`);
    if (found.length > max) return name;
  }
  return null;
}
