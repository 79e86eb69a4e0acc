import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";

const RANDOM_BYTES = 4;
/** Prefixes of the tables that hold a copy while it is read or written. */
export const SNAPSHOT = "sealpost_backup_";
export const STAGING = "sealpost_restore_";
/** Belong to a database, and do not move with an instance: `migration` is rebuilt, and a used nonce stays used. */
export const STAYS = ["migration", "operator_nonce"];
/** Prefixes of tables of SQLite, of libSQL and of the platform. */
const FOREIGN = ["sqlite_", "libsql_", "_cf_", SNAPSHOT, STAGING];

/** Columns of a table, in order. */
export interface TableColumns {
  readonly name: string;
  readonly columns: readonly string[];
}

/** Lists the tables of an instance, in the order in which they were created. */
export async function listTables({ read }: Pick<Database, "read">): Promise<readonly TableColumns[]> {
  const rows = await read.all<{ readonly name: string; readonly columns: string }>(sql`
    SELECT name, (SELECT json_group_array(info.name) FROM pragma_table_info(sqlite_master.name) AS info) AS columns
    FROM sqlite_master WHERE type = 'table' AND NOT ${sql.join(FOREIGN.map(startsWith), sql` AND NOT `)}
    ORDER BY rowid`);
  return rows.map(({ name, columns }) => ({ name, columns: JSON.parse(columns) }));
}

/** Returns the ID of a copy: it starts with the time, so that an old copy can be found. */
export function newCopyId({ now, randomBytes }: Pick<Platform, "now" | "randomBytes">): string {
  return `${secondsIn(now())}${randomBytes(RANDOM_BYTES).toHex()}`;
}

/**
 * Returns statements that drop copies: the tables with this prefix.
 * @param before only those that began before this time. Default: all.
 */
export async function dropCopies(
  { read, write }: Pick<Database, "read" | "write">,
  prefix: string,
  before?: Date,
) {
  const rows = await read.all<{ readonly name: string }>(sql`
    SELECT name FROM sqlite_master WHERE type = 'table' AND ${startsWith(prefix)}`);
  const old = rows.filter(({ name }) => !before || name.slice(prefix.length) < secondsIn(before));
  return old.map(({ name }) => write.run(sql`DROP TABLE IF EXISTS ${sql.identifier(name)}`));
}

/** Seconds since the Unix epoch, in 8 digits. */
function secondsIn(date: Date): string {
  return Math.floor(date.getTime() / 1_000)
    .toString(16)
    .padStart(8, "0");
}

function startsWith(prefix: string): SQL {
  return sql`substr(name, 1, ${prefix.length}) = ${prefix}`;
}

/** Returns the list of these columns. */
export function columnList(columns: readonly string[]): SQL {
  return sql.join(
    columns.map((name) => sql.identifier(name)),
    sql`, `,
  );
}
