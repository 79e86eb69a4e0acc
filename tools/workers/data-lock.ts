import { Database, SQLiteError } from "bun:sqlite";
import { SealpostError } from "../../src/errors.ts";

/**
 * Locks a folder until the result is disposed of, or the process ends in any way: the lock is that of SQLite on a file,
 * which the system releases. A workerd that outlives its process, as after `kill -9`, does not keep the lock.
 * @param file path of the lock.
 * @throws {SealpostError} `bad_setting` if another process has the lock, or the file cannot be used.
 */
export function lockData(file: string): Disposable {
  let database: Database | null = null;
  try {
    database = new Database(file);
    database.run("PRAGMA busy_timeout = 0");
    database.run("BEGIN EXCLUSIVE");
  } catch (cause) {
    database?.close();
    const message =
      cause instanceof SQLiteError && cause.code === "SQLITE_BUSY"
        ? `${file} is locked: another start:workers uses this folder and would send the same mail; stop it, or start this one in another folder`
        : `${file} cannot be locked: delete it, and check that its folder can be written`;
    throw new SealpostError("bad_setting", message, { cause });
  }
  const locked = database;
  return { [Symbol.dispose]: () => locked.close() };
}
