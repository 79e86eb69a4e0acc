import { type Client, ConnectionPool, createClient, Sqlite3Client } from "@libsql/client/sqlite3";
import { expandConfig, isInMemoryConfig } from "@libsql/core/config";

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
  const pool = new CachingPool(path, { timeout }, concurrency);
  const client = new Sqlite3Client(pool, config.intMode);
  pools.set(client, pool);
  return client;
}

/** Returns the path of the file behind a URL. */
export function pathOf(url: string): string {
  return expandConfig({ url }, true).path;
}

const pools = new WeakMap<Client, CachingPool>();

/**
 * Returns a mark that changes with each commit of another connection and with a new connection. The client must be one of
 * {@link openLocalClient} and idle.
 */
export function changeMark(client: Client): string | null {
  return pools.get(client)?.changeMark() ?? null;
}

/** A pool whose connections cache statements. A replaced connection, such as after SQLITE_BUSY, starts empty. */
class CachingPool extends ConnectionPool {
  /** The number of each connection. */
  readonly #numbers = new WeakMap<SqliteDatabase, number>();
  #connections = 0;

  override acquireSync(forTransaction?: boolean): SqliteDatabase {
    const database = super.acquireSync(forTransaction);
    if (!this.#numbers.has(database)) {
      cacheStatements(database);
      this.#numbers.set(database, ++this.#connections);
    }
    return database;
  }

  /** SQLite changes `PRAGMA data_version` when another connection commits. */
  changeMark(): string {
    const database = this.acquireSync();
    try {
      const [version] = database.prepare(DATA_VERSION).raw(true).get() as unknown[];
      return `${this.#numbers.get(database)} ${String(version)}`;
    } finally {
      this.release(database);
    }
  }
}

function cacheStatements(database: SqliteDatabase): void {
  // The least recently used comes first.
  const cached = new Map<string, SqliteStatement>();
  const seen = new Set<string>();
  const prepare = database.prepare.bind(database);

  function add(sql: string): SqliteStatement {
    const statement = prepared(prepare(sql), () => cached.delete(sql));
    cached.set(sql, statement);
    if (cached.size > MAX_CACHED) cached.delete(cached.keys().next().value ?? "");
    return statement;
  }

  function prepareOnce(sql: string): SqliteStatement {
    const found = cached.get(sql);
    if (found !== undefined) {
      cached.delete(sql);
      cached.set(sql, found);
      return found;
    }
    if (seen.has(sql)) return add(sql);
    if (seen.size >= MAX_SEEN) seen.clear();
    if (REPEATED.test(sql) && !STAR.test(sql)) seen.add(sql);
    return prepare(sql);
  }

  Object.assign(database, { prepare: prepareOnce });
}

/** Skips the calls by which the driver configures each statement before each use. */
function prepared(statement: SqliteStatement, forget: () => void): SqliteStatement {
  statement.safeIntegers(true);
  const noData = withoutData(statement);
  const columns = noData === null ? statement.columns() : [];
  const { all, run } = statement;
  // After an error the statement may be in the middle of its rows, and would keep a read lock.
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
