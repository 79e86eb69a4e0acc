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
  #database: BackgroundDatabase;
  #cache = new StatementCache<PreparedStatement<BackgroundStatement>>();

  constructor(path: string) {
    this.#path = path;
    this.#database = open(path);
  }

  async execute(statement: InStatement): Promise<ResultSet> {
    return outsideDriver(() => this.#run(statement, null));
  }

  async batch(batch: (InStatement | [string, InArgs?])[]): Promise<ResultSet[]> {
    return outsideDriver(() => this.#transact(batch));
  }

  async reconnect(): Promise<void> {
    this.#database.close();
    this.#database = open(this.#path);
    this.#cache = new StatementCache();
  }

  close(): void {
    this.#database.close();
  }

  async #transact(batch: readonly (InStatement | [string, InArgs?])[]): Promise<ResultSet[]> {
    await this.#exec("BEGIN IMMEDIATE");
    try {
      const results: ResultSet[] = [];
      for (const [index, statement] of batch.entries()) results.push(await this.#run(statement, index));
      await this.#exec("COMMIT");
      return results;
    } catch (error) {
      if (this.#database.inTransaction) await this.#exec("ROLLBACK");
      throw error;
    }
  }

  async #exec(sql: string): Promise<void> {
    try {
      await this.#database.exec(sql);
    } catch (error) {
      throw driverError(error, null);
    }
  }

  async #run(statement: InStatement | [string, InArgs?], index: number | null): Promise<ResultSet> {
    const { sql, values } = boundText(statement);
    try {
      const prepared = this.#cache.get(sql) ?? configured(await this.#database.prepare(sql));
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

function open(path: string): BackgroundDatabase {
  return new Database(path, { timeout: 0 }) as Database & { readonly inTransaction: boolean };
}

/** The driver resolves its promises within a call of its own, in which nothing else should run. */
async function outsideDriver<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await setImmediate();
  }
}
