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

/** Statements that one connection caches: more than Sealpost and its plugins have, at about 6 kB each. */
const MAX_CACHED = 300;
/** Texts of statements that were used once. Only a repeated statement is cached. */
const MAX_SEEN = 1_000;
/** Statements that may be repeated. */
const REPEATED = /^\s*(SELECT|INSERT|UPDATE|DELETE|WITH|BEGIN|COMMIT|PRAGMA data_version)\b/i;
const DATA_VERSION = "PRAGMA data_version";
/** After a schema change SQLite prepares a cached statement again, but the driver has counted its columns before. */
const STAR = /(\bSELECT|\bRETURNING|,|\.)\s*\*/i;

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
export function changeMark(client: Client): string | null {
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
  readonly #statements = new WeakMap<SqliteDatabase, StatementCache>();
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
      const results = batch.map((statement, index) => statements.run(plainStatement(statement), index));
      statements.run("COMMIT");
      return results;
    });
  }

  /** SQLite changes `PRAGMA data_version` when another connection commits. */
  changeMark(): string {
    return this.#use((statements) => {
      const [row] = statements.run(DATA_VERSION).rows;
      return `${statements.connection} ${String(row?.[0])}`;
    });
  }

  /** Uses a connection, without waiting. Its release rolls back what is not committed. */
  #use<T>(work: (statements: StatementCache) => T): T {
    const database = this.#pool.acquireSync();
    try {
      const statements = this.#statements.get(database) ?? new StatementCache(database, ++this.#connections);
      this.#statements.set(database, statements);
      return work(statements);
    } finally {
      this.#pool.release(database);
    }
  }
}

function plainStatement(statement: InStatement | [string, InArgs?]): InStatement {
  return Array.isArray(statement) ? { sql: statement[0], args: statement[1] ?? [] } : statement;
}

interface PreparedStatement {
  readonly statement: SqliteStatement;
  /** `null` if the statement returns no rows. */
  readonly columns: readonly string[] | null;
  readonly indexes: Indexes;
}

/** The statements of one connection. */
class StatementCache {
  /** Number of the connection. */
  readonly connection: number;
  readonly #database: SqliteDatabase;
  /** The least recently used comes first. */
  readonly #cached = new Map<string, PreparedStatement>();
  readonly #seen = new Set<string>();

  constructor(database: SqliteDatabase, connection: number) {
    this.#database = database;
    this.connection = connection;
  }

  /** @param index the position of the statement in its batch. @throws {LibsqlError} as the driver's client does. */
  run(statement: InStatement, index: number | null = null): ResultSet {
    const { sql, args = [] } = typeof statement === "string" ? { sql: statement } : statement;
    if (!Array.isArray(args)) throw new TypeError("Named parameters are not supported here");
    const values = args.map(bindable);
    try {
      return resultOf(this.#prepared(sql), values);
    } catch (error) {
      // The statement may be in the middle of its rows, and would keep a read lock.
      this.#cached.delete(sql);
      throw driverError(error, index);
    }
  }

  #prepared(sql: string): PreparedStatement {
    const cached = this.#cached.get(sql);
    const found = cached ?? prepare(this.#database, sql);
    if (cached !== undefined || this.#seen.has(sql)) this.#keep(sql, found);
    else if (REPEATED.test(sql) && !STAR.test(sql)) this.#mark(sql);
    return found;
  }

  #keep(sql: string, statement: PreparedStatement): void {
    this.#cached.delete(sql);
    this.#cached.set(sql, statement);
    if (this.#cached.size > MAX_CACHED) this.#cached.delete(this.#cached.keys().next().value ?? "");
  }

  #mark(sql: string): void {
    if (this.#seen.size >= MAX_SEEN) this.#seen.clear();
    this.#seen.add(sql);
  }
}

function prepare(database: SqliteDatabase, sql: string): PreparedStatement {
  const statement = database.prepare(sql);
  statement.safeIntegers(true);
  try {
    statement.raw(true);
  } catch {
    // Rejected for a statement that returns no rows.
    return { statement, columns: null, indexes: indexesOf([]) };
  }
  const columns = statement.columns().map(({ name }) => name);
  return { statement, columns, indexes: indexesOf(columns) };
}

function resultOf({ statement, columns, indexes }: PreparedStatement, values: readonly unknown[]): ResultSet {
  if (columns === null) {
    const { changes, lastInsertRowid } = statement.run(values);
    return resultSet({ rowsAffected: changes, lastInsertRowid: BigInt(lastInsertRowid) });
  }
  const rows = statement.all(values) as unknown[][];
  return resultSet({
    columns: [...columns],
    rows: rows.map((cells) => createRow(indexes, cells.map(cellOf))),
  });
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
function driverError(error: unknown, index: number | null): unknown {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return error;
  const rawCode = "rawCode" in error && typeof error.rawCode === "number" ? error.rawCode : undefined;
  // The extended code starts with the primary one.
  const [code = error.code] = /^SQLITE_[A-Z]+/.exec(error.code) ?? [];
  const parts = [code, error.code, rawCode, error] as const;
  return index === null
    ? new LibsqlError(error.message, ...parts)
    : new LibsqlBatchError(error.message, index, ...parts);
}
