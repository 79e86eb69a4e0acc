import { setImmediate } from "node:timers/promises";
import type { Statement } from "./database.ts";
import { isUnavailable } from "./failure.ts";
import type { Appender } from "./libsql-database.ts";

/** Bounds the time that one joint commit keeps other writers waiting: 500 rows take about 7 ms. */
const MOST_ROWS_PER_COMMIT = 500;

/** Turns of the event loop that a commit waits at most for others to join: microseconds when nothing else is on. */
const MOST_TURNS = 8;

interface Entry {
  readonly statements: readonly Statement[];
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Group commit for inserts that depend on nothing: those that arrive while a commit is under way go together
 * into the next one, in the order of their arrival, so that many share one flush to the disk.
 */
export class GroupWriter implements Appender {
  readonly #commit: (statements: readonly Statement[]) => Promise<unknown>;
  #waiting: Entry[] = [];
  #running: Promise<void> | null = null;

  constructor(commit: (statements: readonly Statement[]) => Promise<unknown>) {
    this.#commit = commit;
  }

  /** Resolves when the commit of these statements is durable; rejects with their own error only. */
  append(statements: readonly Statement[]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ statements, resolve, reject });
    this.#running ??= this.#writeAll();
    return promise;
  }

  /** Resolves when everything appended so far is settled. */
  async drain(): Promise<void> {
    await this.#running;
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#gather();
      await this.#write(this.#waiting.splice(0, MOST_ROWS_PER_COMMIT));
    }
    this.#running = null;
  }

  /**
   * Lets those join who are a step behind: a commit blocks the thread, so without this each of fifty requests that
   * came together would pay for a commit of its own.
   */
  async #gather(): Promise<void> {
    for (let turn = 0, seen = 0; turn < MOST_TURNS && seen < this.#waiting.length; turn++) {
      seen = this.#waiting.length;
      await setImmediate();
    }
  }

  async #write(entries: readonly Entry[]): Promise<void> {
    try {
      await this.#commit(entries.flatMap((entry) => entry.statements));
      for (const entry of entries) entry.resolve();
    } catch (error) {
      if (entries.length === 1 || isUnavailable(error)) for (const entry of entries) entry.reject(error);
      else for (const entry of entries) await this.#write([entry]);
    }
  }
}
