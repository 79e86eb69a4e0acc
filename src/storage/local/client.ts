import { type Client, ConnectionPool, createClient, Sqlite3Client } from "@libsql/client/sqlite3";
import { expandConfig, isInMemoryConfig } from "@libsql/core/config";

/** Statements that one connection keeps: more than Sealpost and its plugins have, at about 6 kB each. */
const MAX_KEPT = 300;
/** Texts of statements that were used once, so that those that never come again are not kept. */
const MAX_SEEN = 1_000;
/** Statements that may come again and again. */
const REPEATED = /^\s*(SELECT|INSERT|UPDATE|DELETE|WITH|BEGIN|COMMIT|PRAGMA data_version)\b/i;
const DATA_VERSION = "PRAGMA data_version";
/** SQLite prepares a kept statement anew when the schema changes, but its columns were counted before that. */
const STAR = /(\bSELECT|\bRETURNING|,|\.)\s*\*/i;

type SqliteDatabase = ReturnType<ConnectionPool["acquireSync"]>;
type SqliteStatement = ReturnType<SqliteDatabase["prepare"]>;

/**
 * Opens a file, or a database in memory, on one connection that keeps its prepared statements. SQLite's own waiting
 * for a lock is off, because it blocks the thread.
 * @throws the driver's error for a URL of another kind, or a file that cannot be opened.
 */
export function openLocalClient(url: string): Client {
  const options = { url, concurrency: 1, timeout: 0 };
  const config = expandConfig(options, true);
  // Checks the URL, and that the file opens.
  createClient(options).close();
  const path = isInMemoryConfig(config) ? `${config.scheme}:${config.path}` : config.path;
  const { concurrency, timeout } = options;
  const pool = new KeepingPool(path, { timeout }, concurrency);
  const client = new Sqlite3Client(pool, config.intMode);
  pools.set(client, pool);
  return client;
}

const pools = new WeakMap<Client, KeepingPool>();

/**
 * Returns a mark that is another one after each commit of another connection, and in a new connection. For a client of
 * {@link openLocalClient} that runs nothing at the moment.
 */
export function changeMark(client: Client): string | null {
  return pools.get(client)?.changeMark() ?? null;
}

/** Connections that keep their statements. They go with their connection, such as after SQLITE_BUSY. */
class KeepingPool extends ConnectionPool {
  /** Connections by number. */
  readonly #keeping = new WeakMap<SqliteDatabase, number>();
  #connections = 0;

  override acquireSync(forTransaction?: boolean): SqliteDatabase {
    const database = super.acquireSync(forTransaction);
    if (!this.#keeping.has(database)) {
      keepStatements(database);
      this.#keeping.set(database, ++this.#connections);
    }
    return database;
  }

  /** SQLite: `PRAGMA data_version` is another number once another connection has committed. */
  changeMark(): string {
    const database = this.acquireSync();
    try {
      const [version] = database.prepare(DATA_VERSION).raw(true).all() as unknown[][];
      return `${this.#keeping.get(database)} ${String(version)}`;
    } finally {
      this.release(database);
    }
  }
}

function keepStatements(database: SqliteDatabase): void {
  // In order of their latest use.
  const kept = new Map<string, SqliteStatement>();
  const seen = new Set<string>();
  const prepare = database.prepare.bind(database);

  function keep(sql: string): SqliteStatement {
    const statement = prepared(prepare(sql), () => kept.delete(sql));
    kept.set(sql, statement);
    if (kept.size > MAX_KEPT) kept.delete(kept.keys().next().value ?? "");
    return statement;
  }

  function prepareOnce(sql: string): SqliteStatement {
    const found = kept.get(sql);
    if (found !== undefined) {
      kept.delete(sql);
      kept.set(sql, found);
      return found;
    }
    if (seen.has(sql)) return keep(sql);
    if (seen.size >= MAX_SEEN) seen.clear();
    if (REPEATED.test(sql) && !STAR.test(sql)) seen.add(sql);
    return prepare(sql);
  }

  Object.assign(database, { prepare: prepareOnce });
}

/** Spares the calls by which the driver sets up each statement before each use. */
function prepared(statement: SqliteStatement, forget: () => void): SqliteStatement {
  statement.safeIntegers(true);
  const noData = withoutData(statement);
  const columns = noData === null ? statement.columns() : [];
  const { all, run } = statement;
  // After an error it may not be at its end, and would hold on to what it has read.
  const orForget = (use: typeof all | typeof run, values: unknown[]): unknown => {
    try {
      return Reflect.apply(use, statement, values);
    } catch (error) {
      forget();
      throw error;
    }
  };
  return Object.assign(statement, {
    safeIntegers: () => statement,
    raw: () => {
      if (noData !== null) throw noData;
      return statement;
    },
    columns: () => columns,
    all: (...values: unknown[]) => orForget(all, values),
    run: (...values: unknown[]) => orForget(run, values),
  });
}

/** The error by which the driver recognizes a statement that returns no data; `null` if it returns some. */
function withoutData(statement: SqliteStatement): unknown {
  try {
    statement.raw(true);
    return null;
  } catch (error) {
    return error;
  }
}
