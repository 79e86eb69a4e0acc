import { Database, SQLiteError } from "bun:sqlite";
import { SealpostError } from "../../src/errors.ts";

/**
 * Locks a folder until the result is disposed of, or the process ends in any way: the lock is that of SQLite on a file,
 * which the system releases.
 * @param file path of the lock.
 * @throws {SealpostError} `bad_setting` if another process has the lock, or the file cannot be used.
 */
export function lockData(file: string): Disposable {
  try {
    return lock(file);
  } catch (cause) {
    const problem = isBusy(cause)
      ? "is locked: another start:workers uses this folder and would send the same mail; stop it, or start this one in another folder"
      : "cannot be locked: delete it, and check that its folder can be written";
    throw new SealpostError("bad_setting", `${file} ${problem}`, { cause });
  }
}

/**
 * Checks that no workerd has a database open. If its start:workers is killed, workerd goes on to send mail, and does not
 * keep the lock of the folder.
 * @param file path of a database that workerd has open as long as it runs.
 * @throws {SealpostError} `bad_setting` if one has it open.
 */
export function assertNotOpen(file: string): void {
  try {
    using _ = lock(file);
  } catch (cause) {
    if (!isBusy(cause)) throw cause;
    const problem = "is locked: a workerd has outlived its start:workers, and sends mail; end that process";
    throw new SealpostError("bad_setting", `${file} ${problem}`, { cause });
  }
}

function lock(file: string): Disposable {
  const database = new Database(file);
  try {
    database.run("PRAGMA busy_timeout = 0");
    // Otherwise those who read a database with a write-ahead log do not count.
    database.run("PRAGMA locking_mode = EXCLUSIVE");
    database.run("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    throw error;
  }
  return { [Symbol.dispose]: () => database.close() };
}

function isBusy(error: unknown): boolean {
  return error instanceof SQLiteError && error.code === "SQLITE_BUSY";
}
