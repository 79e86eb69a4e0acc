import type { Client } from "@libsql/client";
import { Semaphore } from "../../async/semaphore.ts";
import type { Platform } from "../../contracts/platform.ts";
import { SealpostError } from "../../errors.ts";
import { isBusy, isConstraintError, localFailure, openFailure } from "../errors.ts";

/** The wait after the first refusal: a commit with one fsync takes about this long on a plain disk. */
const FIRST_WAIT_MS = 4;
/** Waits stop growing here, so that a lock that was freed is not left idle. */
const LONGEST_WAIT_MS = 64;

/** A way to use a libSQL client, one operation at a time or many. */
export interface Connection {
  /** Runs one `execute` or `batch`; it may be run again after SQLITE_BUSY, when nothing was done. */
  run<T>(operation: (client: Client) => Promise<T>, options?: RunOptions): Promise<T>;
  /** Whether something was committed since: the same mark means that nothing was. `null`: that is not known. */
  changeMark?(): string | null;
  /** Waits for the running operation, then closes. Later operations reject. */
  close(): Promise<void>;
}

export interface RunOptions {
  /** Nothing is begun again after this, on the clock of `performance.now()`; default: as patient as the connection. */
  readonly deadlineMs?: number;
}

/** What a connection is for. */
export interface GuardRole {
  /** Settings of a connection, lost with it and therefore said again after each reconnect. */
  readonly pragmas: readonly string[];
  /** Said before closing, if possible. */
  readonly farewell: readonly string[];
  /** False for a database in memory, which would be lost with its only connection. */
  readonly renewable: boolean;
}

export interface GuardOptions extends GuardRole {
  /** A mark of what the database holds, by which a client that runs nothing shows that it has not changed. */
  readonly changeMark?: (client: Client) => string | null;
  /** Opens the file; called at first use. */
  readonly open: () => Client;
  /** How long one operation may wait for locks, its turn in this process included. */
  readonly patienceMs: number;
  /** Spreads the waits of several processes. */
  readonly randomBytes: Platform["randomBytes"];
}

/**
 * One client of a local database behind a mutex that spans the operation and the reconnect.
 *
 * A connection that saw SQLITE_BUSY acknowledges later writes and loses them, so it is thrown away before
 * anything else may use it. The client is opened with no busy timeout of its own: SQLite's blocks the thread.
 */
export class GuardedConnection implements Connection {
  readonly #options: GuardOptions;
  #client: Client | null = null;
  #ready = false;
  #closed = false;
  #isRunning = false;
  readonly #semaphore = new Semaphore(1);

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  run<T>(operation: (client: Client) => Promise<T>, options: RunOptions = {}): Promise<T> {
    const { deadlineMs = performance.now() + this.#options.patienceMs } = options;
    return this.#semaphore.run(async () => {
      this.#isRunning = true;
      try {
        return await this.#attempt(operation, deadlineMs);
      } finally {
        this.#isRunning = false;
      }
    });
  }

  changeMark(): string | null {
    if (this.#isRunning || !this.#ready || this.#closed || this.#client === null) return null;
    try {
      return this.#options.changeMark?.(this.#client) ?? null;
    } catch {
      // Busy, or gone: the operation that follows finds out.
      return null;
    }
  }

  close(): Promise<void> {
    return this.#semaphore.run(async () => {
      this.#closed = true;
      // What fails here stays in the log, which is as durable and read at the next start.
      await this.#sayFarewell().catch(() => undefined);
      this.#client?.close();
    });
  }

  async #sayFarewell(): Promise<void> {
    if (this.#ready) for (const pragma of this.#options.farewell) await this.#client?.execute(pragma);
  }

  async #attempt<T>(operation: (client: Client) => Promise<T>, deadlineMs: number): Promise<T> {
    for (let refusals = 0; ; refusals++) {
      try {
        return await operation(await this.#connected());
      } catch (error) {
        if (!isConstraintError(error)) await this.#renew();
        if (!isBusy(error) || performance.now() >= deadlineMs) throw localFailure(error);
        await this.#wait(refusals);
      }
    }
  }

  async #connected(): Promise<Client> {
    if (this.#closed) throw new SealpostError("database_unavailable", "The database has been closed");
    try {
      this.#client ??= this.#options.open();
      if (!this.#ready) for (const pragma of this.#options.pragmas) await this.#client.execute(pragma);
    } catch (error) {
      throw isBusy(error) ? error : openFailure(error);
    }
    this.#ready = true;
    return this.#client;
  }

  async #renew(): Promise<void> {
    if (!this.#options.renewable) return;
    await this.#client?.reconnect();
    this.#ready = false;
  }

  #wait(refusals: number): Promise<void> {
    const longestMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** refusals);
    const share = ((this.#options.randomBytes(1)[0] ?? 0) + 1) / 256;
    return new Promise((resolve) => setTimeout(resolve, longestMs * share));
  }
}
