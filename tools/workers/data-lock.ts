import { Database } from "bun:sqlite";
import { SealpostError } from "../../src/errors.ts";

/**
 * Locks a folder until the result is disposed of, or the process ends in any way: the lock is that of SQLite on a file,
 * which the system releases.
 * @param file path of the lock.
 * @throws {SealpostError} `bad_setting` if another process has the lock.
 */
export function lockData(file: string): Disposable {
  const database = new Database(file);
  try {
    database.run("PRAGMA busy_timeout = 0");
    database.run("BEGIN EXCLUSIVE");
  } catch (cause) {
    database.close();
    const message = `${file} is locked: another start:workers uses this folder and would send the same mail; stop it, or start this one in another folder`;
    throw new SealpostError("bad_setting", message, { cause });
  }
  return { [Symbol.dispose]: () => database.close() };
}
