import type { Statement } from "./database.ts";
import { isUnavailable } from "./failure.ts";
import type { Appender } from "./libsql-database.ts";

/** A commit that takes longer than this belongs to somebody who was cut off; his rows are written, perhaps again. */
const COMMIT_MS = 6_000;
const LOOK_EVERY_MS = 2;
/** Bounds one request to the server. */
const MOST_ROWS_PER_COMMIT = 100;

interface Entry {
  readonly statements: readonly Statement[];
  outcome: "waiting" | "written" | "failed";
  error: unknown;
}

/**
 * Inserts that depend on nothing, many in one commit: whoever finds nobody writing writes for all who wait. Nobody
 * awaits what another does, because on Workers a promise belongs to the request that made it; each looks what has
 * become of his own row.
 */
export class SharedAppends implements Appender {
  readonly #commit: (statements: readonly Statement[]) => Promise<unknown>;
  readonly #waiting: Entry[] = [];
  #writerEndsMs = 0;

  constructor(commit: (statements: readonly Statement[]) => Promise<unknown>) {
    this.#commit = commit;
  }

  /** Resolves when these are durable; rejects if they could not be written. */
  async append(statements: readonly Statement[]): Promise<void> {
    const entry: Entry = { statements, outcome: "waiting", error: null };
    this.#waiting.push(entry);
    while (entry.outcome === "waiting") {
      if (performance.now() >= this.#writerEndsMs) await this.#writeAll();
      else await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    if (entry.outcome === "failed") throw entry.error;
  }

  async drain(): Promise<void> {
    while (this.#waiting.length > 0) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }

  async #writeAll(): Promise<void> {
    const endsMs = performance.now() + COMMIT_MS;
    this.#writerEndsMs = endsMs;
    // They stay in the list until they are written, in case that this request is cut off.
    const entries = this.#waiting.slice(0, MOST_ROWS_PER_COMMIT);
    try {
      await this.#write(entries);
    } finally {
      for (const entry of entries) {
        const at = this.#waiting.indexOf(entry);
        if (at >= 0) this.#waiting.splice(at, 1);
      }
      if (this.#writerEndsMs === endsMs) this.#writerEndsMs = 0;
    }
  }

  /** Never rejects. One bad row does not take the others with it. */
  async #write(entries: readonly Entry[]): Promise<void> {
    try {
      await this.#commit(entries.flatMap(({ statements }) => statements));
      for (const entry of entries) entry.outcome = "written";
    } catch (error) {
      if (entries.length > 1 && !isUnavailable(error)) {
        for (const entry of entries) await this.#write([entry]);
        return;
      }
      for (const entry of entries) {
        entry.outcome = "failed";
        entry.error = error;
      }
    }
  }
}
