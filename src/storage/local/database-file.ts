import { pathToFileURL } from "node:url";
import type { Platform } from "../../contracts/platform.ts";
import { SELECT_TABLES } from "../migrate.ts";
import { openLocalClient } from "./client.ts";
import { type LocalClient, ManagedConnection } from "./connection.ts";

const LOCK_TIMEOUT_MS = 5_000;

/** An existing database file, for copies. A missing file would be created. */
export class DatabaseFile implements AsyncDisposable {
  readonly #connection: ManagedConnection;

  constructor(path: string, { randomBytes }: Pick<Platform, "randomBytes">) {
    const url = pathToFileURL(path).href;
    this.#connection = new ManagedConnection({
      open: () => openLocalClient(url),
      pragmas: [],
      closingPragmas: [],
      canReconnect: true,
      lockTimeoutMs: LOCK_TIMEOUT_MS,
      randomBytes,
    });
  }

  /** Whether a start has created tables in it. */
  hasTables(): Promise<boolean> {
    return this.#connection.run(async (client) => {
      const { rows } = await client.execute(SELECT_TABLES);
      return rows.length > 0;
    });
  }

  /** Whether SQLite finds no damage in it. */
  async isSound(): Promise<boolean> {
    const [row] = await this.#connection.run(async (client) => {
      return (await client.execute("PRAGMA integrity_check(1)")).rows;
    });
    return row?.integrity_check === "ok";
  }

  /**
   * Writes one consistent copy, with what is still in the log, to an empty file. Other processes may use the database
   * meanwhile.
   */
  async copyTo(path: string): Promise<void> {
    const copy = (client: LocalClient) => client.execute({ sql: "VACUUM INTO ?", args: [path] });
    await this.#connection.run(copy);
  }

  /** Ends the use of the log and removes it. @throws {SealpostError} `database_unavailable` if another process has the file open. */
  async removeLog(): Promise<void> {
    await this.#connection.run((client) => client.execute("PRAGMA journal_mode = DELETE"));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection.close();
  }
}
