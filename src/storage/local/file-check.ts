import { realpathSync, type Stats, statSync } from "node:fs";
import { fileGoneError } from "../errors.ts";

/** The check of the log costs as much as that of the file, so it does not run before each operation. */
const LOG_INTERVAL_MS = 100;

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
