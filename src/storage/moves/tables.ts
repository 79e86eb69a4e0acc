import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import { SealpostError } from "../../errors.ts";
import { ownerOf } from "../migrate.ts";
import { MIGRATIONS } from "../migrations/index.ts";

const RANDOM_BYTES = 4;
/** Prefixes of the tables that hold a copy while it is read or written. */
export const SNAPSHOT = "sealpost_backup_";
export const STAGING = "sealpost_restore_";
/** Belong to a database, and do not move with an instance: `migration` is rebuilt, and a used nonce stays used. */
export const STAYS = ["migration", "operator_nonce"];
/** Prefixes of tables of SQLite, of libSQL and of the platform, and of copies. */
const INTERNAL = ["sqlite_", "libsql_", "_cf_", SNAPSHOT, STAGING];

/** Columns of a table, in order. */
export interface TableColumns {
  readonly name: string;
  readonly columns: readonly string[];
}

/** The tables of a database. */
interface Tables {
  /** Those of the instance, in the order in which they were created. */
  readonly own: readonly TableColumns[];
  /** Names of the others. */
  readonly foreign: readonly string[];
}

const CREATED = /\b(?:CREATE TABLE(?: IF NOT EXISTS)?|RENAME TO) (\w+)/g;

interface Named {
  readonly name: string;
}

/** Returns the names of tables that no migration creates. Those of plugins, loaded or not, start with the plugin's name. */
export function foreignAmong(tables: readonly Named[], migrations: readonly Named[]): readonly string[] {
  const core = MIGRATIONS.flatMap((one) => [...one.sql.matchAll(CREATED)].map(([, name]) => name));
  const owners = migrations.map(({ name }) => ownerOf(name).replaceAll("-", "_"));
  const isOwn = (name: string) =>
    STAYS.includes(name) ||
    core.includes(name) ||
    owners.some((owner) => owner !== "" && name.startsWith(`${owner}_`));
  return tables.flatMap(({ name }) => (isOwn(name) ? [] : [name]));
}

/** @throws {SealpostError} `conflict` if there are tables that no migration creates. */
export function assertOwn(foreign: readonly string[]): void {
  if (foreign.length === 0) return;
  const message = `Tables of other programs are not moved: put ${foreign.join(", ")} into another database`;
  throw new SealpostError("conflict", message);
}

/** Lists the tables of a database. */
export async function listTables({ read }: Pick<Database, "read">): Promise<Tables> {
  const rows = await read.all<Named & { readonly columns: string }>(sql`
    SELECT name, (SELECT json_group_array(info.name) FROM pragma_table_info(sqlite_master.name) AS info) AS columns
    FROM sqlite_master WHERE type = 'table' AND NOT ${sql.join(INTERNAL.map(startsWith), sql` AND NOT `)}
    ORDER BY rowid`);
  const isMigrated = rows.some(({ name }) => name === "migration");
  const migrations = isMigrated ? await read.all<Named>(sql`SELECT name FROM migration`) : [];
  const foreign = foreignAmong(rows, migrations);
  const own = rows.filter(({ name }) => !foreign.includes(name));
  return { own: own.map(({ name, columns }) => ({ name, columns: JSON.parse(columns) })), foreign };
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

/**
 * Creates what handles the error of a statement that uses a copy.
 * @throws {SealpostError} `conflict` if the next copy has replaced this one; otherwise the error.
 */
export function replacedBy(next: "backup" | "restore") {
  return (cause: unknown): never => {
    if (!/no such table/.test(String(cause))) throw cause;
    throw new SealpostError("conflict", `Another ${next} has begun: run this one again`, { cause });
  };
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
