import { setImmediate } from "node:timers/promises";
import type { InArgs, InStatement, ResultSet } from "@libsql/client";
import Database from "libsql/promise";
import {
  boundText,
  type ConfigurableStatement,
  changesResult,
  configured,
  driverError,
  type PreparedStatement,
  pathOf,
  rowsResult,
  StatementCache,
} from "./client.ts";
import type { LocalClient } from "./connection.ts";

/** A statement of the driver that runs in a thread of its own, if it returns rows. */
interface BackgroundStatement extends ConfigurableStatement {
  run(values: readonly unknown[]): { readonly changes: number; readonly lastInsertRowid: number | bigint };
  all(values: readonly unknown[]): Promise<readonly (readonly unknown[])[]>;
}

/** A connection of the driver whose work runs in a thread of its own. */
interface BackgroundDatabase {
  readonly inTransaction: boolean;
  prepare(sql: string): Promise<BackgroundStatement>;
  exec(sql: string): Promise<unknown>;
  close(): void;
}

/**
 * Opens a file on one connection that works in a thread of the driver, so that the event loop serves its sockets during a
 * transaction of milliseconds. One operation at a time. A small one takes longer than on the client of `client.ts`.
 */
export function openBackgroundClient(url: string): LocalClient {
  return new BackgroundClient(pathOf(url));
}

class BackgroundClient implements LocalClient {
  readonly #path: string;
  /** `null` until it is used, at first and after a reconnect. */
  #database: BackgroundDatabase | null = null;
  #cache = new StatementCache<PreparedStatement<BackgroundStatement>>();

  constructor(path: string) {
    this.#path = path;
  }

  async execute(statement: InStatement): Promise<ResultSet> {
    const run = () => this.#run(statement, null);
    const isPragma = typeof statement === "string" && PRAGMA.test(statement);
    // Alone, a statement would commit with its last row, which is read in this thread.
    return outsideDriver(isPragma ? run : () => this.#transact(run));
  }

  async batch(batch: (InStatement | [string, InArgs?])[]): Promise<ResultSet[]> {
    const runEach = async () => {
      const results: ResultSet[] = [];
      for (const [index, statement] of batch.entries()) results.push(await this.#run(statement, index));
      return results;
    };
    return outsideDriver(() => this.#transact(runEach));
  }

  async reconnect(): Promise<void> {
    this.close();
  }

  close(): void {
    this.#cache = new StatementCache();
    this.#database?.close();
    this.#database = null;
  }

  async #transact<T>(work: () => Promise<T>): Promise<T> {
    await this.#exec("BEGIN IMMEDIATE");
    try {
      const result = await work();
      await this.#exec("COMMIT");
      return result;
    } catch (error) {
      // Without it, the next BEGIN fails, and the connection is replaced.
      if (this.#database?.inTransaction) await this.#exec("ROLLBACK").catch(() => undefined);
      throw error;
    }
  }

  #opened(): BackgroundDatabase {
    this.#database ??= new Database(this.#path, { timeout: 0 }) as Database & {
      readonly inTransaction: boolean;
    };
    return this.#database;
  }

  async #exec(sql: string): Promise<void> {
    try {
      await this.#opened().exec(sql);
    } catch (error) {
      throw driverError(error, null);
    }
  }

  async #run(statement: InStatement | [string, InArgs?], index: number | null): Promise<ResultSet> {
    const { sql, values } = boundText(statement);
    try {
      const prepared = this.#cache.get(sql) ?? configured(await this.#opened().prepare(sql));
      this.#cache.use(sql, prepared);
      return prepared.columns === null
        ? changesResult(prepared.statement.run(values))
        : rowsResult(prepared, await prepared.statement.all(values));
    } catch (error) {
      this.#cache.delete(sql);
      throw driverError(error, index);
    }
  }
}

/** A statement that has no transaction. */
const PRAGMA = /^\s*PRAGMA\b/i;

/** The driver resolves its promises within a call of its own, in which nothing else should run. */
async function outsideDriver<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await setImmediate();
  }
}
