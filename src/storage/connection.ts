import type { Client } from "@libsql/client";

/** A way to use a libSQL client, one operation at a time or many. */
export interface Connection {
  /** Runs one `execute` or `batch`. Runs it again after SQLITE_BUSY, because nothing was done. */
  run<T>(operation: (client: Client) => Promise<T>, options?: RunOptions): Promise<T>;
  /** Returns a mark that stays the same until something is committed; `null` if that is not known. */
  changeMark?(): string | null;
  /** Waits for the running operation, then closes. Later operations reject. */
  close(): Promise<void>;
}

export interface RunOptions {
  /**
   * No attempt starts later, on the clock of `performance.now()`. Default: the timeout of the connection.
   */
  readonly deadlineMs?: number;
}
