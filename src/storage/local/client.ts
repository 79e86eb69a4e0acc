import type { InArgs, InStatement, InValue, ResultSet } from "@libsql/client";
import {
  type Client,
  ConnectionPool,
  createClient,
  LibsqlBatchError,
  LibsqlError,
  Sqlite3Client,
  type TransactionMode,
} from "@libsql/client/sqlite3";
import { expandConfig, isInMemoryConfig } from "@libsql/core/config";
import { createRow, type Indexes, indexesOf } from "../drizzle.ts";
import type { LocalClient } from "./connection.ts";

/** Statements that one connection caches: more than Sealpost and its plugins have, at about 6 kB each. */
const MAX_CACHED = 300;
/** Texts of statements that were used once. Only a repeated statement is cached. */
const MAX_SEEN = 1_000;
/** Statements that may be repeated. */
const REPEATED = /^\s*(SELECT|INSERT|UPDATE|DELETE|WITH|BEGIN|COMMIT|PRAGMA data_version)\b/i;
/** After a schema change SQLite prepares a cached statement again, but the driver has counted its columns before. */
const STAR = /(\bSELECT|\bRETURNING|,|\.)\s*\*/i;
const DATA_VERSION = "PRAGMA data_version";
type SqliteDatabase = ReturnType<ConnectionPool["acquireSync"]>;
type SqliteStatement = ReturnType<SqliteDatabase["prepare"]>;

/**
 * Opens a file or a database in memory on one connection that caches its prepared statements. SQLite's own wait for locks
 * is off, because it blocks the thread.
 * @throws the driver's error for an unsupported URL or a file that cannot be opened.
 */
export function openLocalClient(url: string): Client {
  const options = { url, concurrency: 1, timeout: 0 };
  const config = expandConfig(options, true);
  // Checks that the URL is valid and the file opens.
  createClient(options).close();
  const path = isInMemoryConfig(config) ? `${config.scheme}:${config.path}` : config.path;
  const { concurrency, timeout } = options;
  return new CachingClient(new ConnectionPool(path, { timeout }, concurrency), config.intMode);
}

/** Returns the path of the file behind a URL. */
export function pathOf(url: string): string {
  return expandConfig({ url }, true).path;
}

/**
 * Returns a mark that changes with each commit of another connection and with a new connection. The client must be one of
 * {@link openLocalClient} and idle.
 */
export function changeMark(client: LocalClient): string | null {
  return client instanceof CachingClient ? client.changeMark() : null;
}

const BEGIN: Readonly<Record<TransactionMode, string>> = {
  write: "BEGIN IMMEDIATE",
  read: "BEGIN TRANSACTION READONLY",
  deferred: "BEGIN DEFERRED",
};

/**
 * A client that caches statements. The driver's own configures a statement before each use and defines each cell of a row
 * as a property, which together takes longer than the statement.
 */
class CachingClient extends Sqlite3Client {
  readonly #pool: ConnectionPool;
  /** A replaced connection, such as after SQLITE_BUSY, starts without statements. */
  readonly #statements = new WeakMap<SqliteDatabase, Statements>();
  #connections = 0;

  constructor(pool: ConnectionPool, intMode: ConstructorParameters<typeof Sqlite3Client>[1]) {
    super(pool, intMode);
    this.#pool = pool;
  }

  override async execute(statement: InStatement): Promise<ResultSet> {
    return this.#use((statements) => statements.run(statement));
  }

  override async batch(
    batch: (InStatement | [string, InArgs?])[],
    mode: TransactionMode = "deferred",
  ): Promise<ResultSet[]> {
    return this.#use((statements) => {
      statements.run(BEGIN[mode]);
      const results = batch.map((statement, index) => statements.run(statement, index));
      statements.run("COMMIT");
      return results;
    });
  }

  /** SQLite changes `PRAGMA data_version` when another connection commits. */
  changeMark(): string {
    return this.#use((statements) => `${statements.connection} ${String(statements.first(DATA_VERSION))}`);
  }

  /** Uses a connection, without waiting. Its release rolls back what is not committed. */
  #use<T>(work: (statements: Statements) => T): T {
    const database = this.#pool.acquireSync();
    try {
      const statements = this.#statements.get(database) ?? new Statements(database, ++this.#connections);
      this.#statements.set(database, statements);
      return work(statements);
    } finally {
      this.#pool.release(database);
    }
  }
}

/** A connection and its prepared statements. */
class Statements {
  /** Number of the connection. */
  readonly connection: number;
  readonly #database: SqliteDatabase;
  readonly #cache = new StatementCache<PreparedStatement<SqliteStatement>>();

  constructor(database: SqliteDatabase, connection: number) {
    this.#database = database;
    this.connection = connection;
  }

  /** @param index the position of the statement in its batch. @throws {LibsqlError} as the driver's client does. */
  run(statement: InStatement | [string, InArgs?], index: number | null = null): ResultSet {
    const { sql, values } = boundText(statement);
    return this.#use(sql, index, (prepared) =>
      prepared.columns === null
        ? changesResult(prepared.statement.run(values))
        : rowsResult(prepared, prepared.statement.all(values) as unknown[][]),
    );
  }

  /** Returns the first cell of the first row, without the overhead of a result. @throws as {@link Statements.run}. */
  first(sql: string): unknown {
    return this.#use(sql, null, ({ statement }) => (statement.get([]) as unknown[])[0]);
  }

  #use<T>(sql: string, index: number | null, work: (prepared: PreparedStatement<SqliteStatement>) => T): T {
    try {
      const prepared = this.#cache.get(sql) ?? configured(this.#database.prepare(sql));
      this.#cache.use(sql, prepared);
      return work(prepared);
    } catch (error) {
      // The statement may be in the middle of its rows, and would keep a read lock.
      this.#cache.delete(sql);
      throw driverError(error, index);
    }
  }
}

/** The prepared statements of one connection by their text. The least recently used are forgotten. */
export class StatementCache<T> {
  /** The least recently used comes first. */
  readonly #cached = new Map<string, T>();
  readonly #seen = new Set<string>();

  get(sql: string): T | undefined {
    return this.#cached.get(sql);
  }

  /** Keeps a statement that is used, if it was used before. */
  use(sql: string, statement: T): void {
    if (this.#cached.delete(sql) || this.#seen.has(sql)) this.#keep(sql, statement);
    else if (REPEATED.test(sql) && !STAR.test(sql)) this.#mark(sql);
  }

  delete(sql: string): void {
    this.#cached.delete(sql);
  }

  #keep(sql: string, statement: T): void {
    this.#cached.set(sql, statement);
    if (this.#cached.size > MAX_CACHED) this.#cached.delete(this.#cached.keys().next().value ?? "");
  }

  #mark(sql: string): void {
    if (this.#seen.size >= MAX_SEEN) this.#seen.clear();
    this.#seen.add(sql);
  }
}

/** The settings of a statement of SQLite's driver, which its two ways to run one share. */
export interface ConfigurableStatement {
  safeIntegers(isOn: boolean): unknown;
  /** @throws for a statement that returns no rows. */
  raw(isOn: boolean): unknown;
  columns(): readonly { readonly name: string }[];
}

/** A statement that returns cells as an array for each row. */
export interface PreparedStatement<S> {
  readonly statement: S;
  /** `null` if the statement returns no rows. */
  readonly columns: readonly string[] | null;
  readonly indexes: Indexes;
}

/** Has a statement return cells as an array for each row. */
export function configured<S extends ConfigurableStatement>(statement: S): PreparedStatement<S> {
  statement.safeIntegers(true);
  try {
    statement.raw(true);
  } catch {
    return { statement, columns: null, indexes: indexesOf([]) };
  }
  const columns = statement.columns().map(({ name }) => name);
  return { statement, columns, indexes: indexesOf(columns) };
}

/** Returns a statement and its values to bind. @throws {TypeError | RangeError} for a value that SQLite does not have. */
export function boundText(statement: InStatement | [string, InArgs?]) {
  const { sql, args = [] } =
    typeof statement === "string"
      ? { sql: statement }
      : Array.isArray(statement)
        ? { sql: statement[0], args: statement[1] }
        : statement;
  if (!Array.isArray(args)) throw new TypeError("Named parameters are not supported here");
  return { sql, values: args.map(bindable) };
}

/** Returns the result of a statement that returns rows. */
export function rowsResult(
  { columns, indexes }: Omit<PreparedStatement<unknown>, "statement">,
  rows: readonly (readonly unknown[])[],
): ResultSet {
  return resultSet({
    columns: [...(columns ?? [])],
    rows: rows.map((cells) => createRow(indexes, cells.map(cellOf))),
  });
}

/** Returns the result of a statement that returns no rows. */
export function changesResult(info: {
  readonly changes: number;
  readonly lastInsertRowid: number | bigint;
}): ResultSet {
  return resultSet({ rowsAffected: info.changes, lastInsertRowid: BigInt(info.lastInsertRowid) });
}

function resultSet(fields: Partial<ResultSet>): ResultSet {
  const { columns = [], rows = [], rowsAffected = 0, lastInsertRowid } = fields;
  const columnTypes = columns.map(() => "");
  return { columns, columnTypes, rows, rowsAffected, lastInsertRowid, toJSON: () => ({ columns, rows }) };
}

/** The driver would bind a boolean or a date as an object. @throws for a value that SQLite does not have. */
function bindable(value: InValue): unknown {
  if (value === undefined) throw new TypeError("A value of a statement is undefined");
  if (typeof value === "number" && !Number.isFinite(value))
    throw new RangeError("A number of a statement is not finite");
  if (typeof value === "bigint" && BigInt.asIntN(64, value) !== value)
    throw new RangeError("An integer of a statement is beyond 64 bits");
  if (typeof value === "boolean") return Number(value);
  if (value instanceof Date) return value.getTime();
  return value instanceof ArrayBuffer ? Buffer.from(value) : value;
}

function cellOf(value: unknown): unknown {
  if (typeof value !== "bigint") return value instanceof Buffer ? value.buffer : value;
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new RangeError("An integer of a row is beyond 2^53");
  return number;
}

/** Returns the error of the driver's client for an error of SQLite; any other error as it is. */
export function driverError(error: unknown, index: number | null): unknown {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return error;
  const rawCode = "rawCode" in error && typeof error.rawCode === "number" ? error.rawCode : undefined;
  // The extended code starts with the primary one.
  const [code = error.code] = /^SQLITE_[A-Z]+/.exec(error.code) ?? [];
  const parts = [code, error.code, rawCode, error] as const;
  return index === null
    ? new LibsqlError(error.message, ...parts)
    : new LibsqlBatchError(error.message, index, ...parts);
}
