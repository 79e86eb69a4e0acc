import { realpathSync, type Stats, statSync } from "node:fs";
import type { Client } from "@libsql/client";
import { Semaphore } from "../../async/semaphore.ts";
import type { Platform } from "../../contracts/platform.ts";
import { closedError, fileGoneError, isBusy, isConstraintError, localError, openError } from "../errors.ts";
import type { Connection, RunOptions } from "../libsql-database.ts";

/** A commit with one fsync takes about this long on a plain disk. */
const INITIAL_WAIT_MS = 4;
/** Longer waits would leave a lock idle after its release. */
const MAX_WAIT_MS = 64;
/** The check of the log costs as much as that of the file, so it does not run before each operation. */
const LOG_INTERVAL_MS = 100;

/** The part of a libSQL client that a connection uses. */
export type LocalClient = Pick<Client, "execute" | "batch" | "close"> & { reconnect(): unknown };

/** The use of a connection. */
export interface ConnectionRole {
  /** Settings of a connection. A reconnect loses them, so they run again after each. */
  readonly pragmas: readonly string[];
  /** Run before closing, if possible. */
  readonly closingPragmas: readonly string[];
  /** False for a database in memory, which a reconnect would lose. */
  readonly canReconnect: boolean;
  /** Asserted before each operation of an open client. */
  readonly fileCheck?: FileCheck;
  /** Returns a mark that changes with each commit of another connection. The client must be idle. */
  readonly changeMark?: (client: LocalClient) => string | null;
}

interface ManagedConnectionOptions extends ConnectionRole {
  /** Opens the file; called at first use. */
  readonly open: () => LocalClient;
  /** Longest wait of one operation for locks, including its turn in this process. */
  readonly lockTimeoutMs: number;
  /** Spreads the waits of several processes. */
  readonly randomBytes: Platform["randomBytes"];
}

/**
 * One client of a local database behind a mutex that spans the operation and the reconnect.
 *
 * After SQLITE_BUSY the driver acknowledges later writes and loses them, so the connection is replaced first. The client
 * has no busy timeout of its own: SQLite's blocks the thread.
 */
export class ManagedConnection implements Connection {
  readonly #options: ManagedConnectionOptions;
  #client: LocalClient | null = null;
  #isReady = false;
  #isClosed = false;
  #isRunning = false;
  #busyCount = 0;
  readonly #semaphore = new Semaphore(1);

  constructor(options: ManagedConnectionOptions) {
    this.#options = options;
  }

  run<T>(operation: (client: LocalClient) => Promise<T>, options: RunOptions = {}): Promise<T> {
    const { deadlineMs = performance.now() + this.#options.lockTimeoutMs } = options;
    return this.#semaphore.run(async () => {
      this.#isRunning = true;
      try {
        return await this.#runUntil(deadlineMs, operation);
      } finally {
        this.#isRunning = false;
      }
    });
  }

  busyCount(): number {
    return this.#busyCount;
  }

  changeMark(): string | null {
    if (this.#isRunning || !this.#isReady || this.#isClosed || this.#client === null) return null;
    try {
      return this.#options.changeMark?.(this.#client) ?? null;
    } catch {
      // The next operation on the same client reports the error.
      return null;
    }
  }

  close(): Promise<void> {
    return this.#semaphore.run(async () => {
      this.#isClosed = true;
      // After an error the data stays in the log, which is as durable and read at the next start.
      await this.#runClosingPragmas().catch(() => undefined);
      this.#client?.close();
    });
  }

  async #runClosingPragmas(): Promise<void> {
    if (!this.#isReady) return;
    for (const pragma of this.#options.closingPragmas) await this.#client?.execute(pragma);
  }

  async #runUntil<T>(deadlineMs: number, operation: (client: LocalClient) => Promise<T>): Promise<T> {
    for (let failures = 0; ; failures++) {
      // Its error must not reconnect, which would use, or create, another file.
      if (this.#client !== null) this.#options.fileCheck?.assert();
      try {
        const result = await operation(await this.#connected());
        this.#options.fileCheck?.opened(this);
        return result;
      } catch (error) {
        if (isBusy(error)) this.#busyCount++;
        if (!isConstraintError(error)) await this.#reconnect();
        if (!isBusy(error) || performance.now() >= deadlineMs) throw localError(error);
        await this.#wait(failures);
      }
    }
  }

  async #connected(): Promise<LocalClient> {
    if (this.#isClosed) throw closedError();
    try {
      this.#client ??= this.#options.open();
      if (!this.#isReady) for (const pragma of this.#options.pragmas) await this.#client.execute(pragma);
    } catch (error) {
      throw isBusy(error) ? error : openError(error);
    }
    this.#isReady = true;
    return this.#client;
  }

  async #reconnect(): Promise<void> {
    if (!this.#options.canReconnect) return;
    this.#isReady = false;
    this.#options.fileCheck?.closed(this);
    await this.#client?.reconnect();
  }

  #wait(failures: number): Promise<void> {
    const maxMs = Math.min(MAX_WAIT_MS, INITIAL_WAIT_MS * 2 ** failures);
    const share = ((this.#options.randomBytes(1)[0] ?? 0) + 1) / 256;
    return new Promise((resolve) => setTimeout(resolve, maxMs * share));
  }
}

/**
 * A check that the paths of a database still name its open files. SQLite goes on in a file that was deleted or replaced,
 * and all that it writes is lost at the end of the process. The same holds for its log, which has the last commits.
 */
export class FileCheck {
  readonly #pathOf: () => string;
  readonly #now: () => number;
  /** Those that have the log open: while there is one, SQLite in another process does not delete it. */
  readonly #connections = new Set<object>();
  #path: string | null = null;
  #file: string | null = null;
  /** `null` until a connection has it open, and without a log. */
  #log: string | null = null;
  #logCheckedAtMs = -Infinity;

  constructor(pathOf: () => string, now = () => performance.now()) {
    this.#pathOf = pathOf;
    this.#now = now;
  }

  /** @throws {SealpostError} `database_unavailable` if a path no longer names the open file. */
  assert(): void {
    this.#path ??= this.#pathOf();
    // A new database is an empty file at first.
    const file = markOf(this.#path, ({ size }) => size > 0);
    this.#file ??= file;
    if (file !== this.#file) throw fileGoneError();
    if (this.#connections.size > 0 && this.#now() - this.#logCheckedAtMs >= LOG_INTERVAL_MS)
      this.#assertLog();
  }

  /** Notes that a connection has used the database, so it has the log open. */
  opened(connection: object): void {
    if (this.#connections.has(connection)) return;
    if (this.#connections.size === 0) this.#log = this.#currentLog();
    this.#connections.add(connection);
  }

  /** Notes that a connection is closed. After the last one, the next may find another log. */
  closed(connection: object): void {
    this.#connections.delete(connection);
  }

  #assertLog(): void {
    const log = this.#currentLog();
    this.#log ??= log;
    if (log !== this.#log) throw fileGoneError();
    this.#logCheckedAtMs = this.#now();
  }

  #currentLog(): string | null {
    this.#path ??= this.#pathOf();
    return markOf(`${realPathOf(this.#path)}-wal`);
  }
}

function markOf(path: string, counts: (stats: Stats) => boolean = () => true): string | null {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats !== undefined && counts(stats) ? `${stats.dev} ${stats.ino}` : null;
}

/** SQLite resolves links, and has the log next to the file. */
function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // Without the file, the next check of it fails.
    return path;
  }
}
