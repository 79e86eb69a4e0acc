import { link, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Config } from "../../config.ts";
import { SealpostError } from "../../errors.ts";
import { DatabaseFile } from "../../storage/local/database-file.ts";
import { codeOf, invalidSetting, notWritable } from "../invalid-setting.ts";
import { PLATFORM as platform } from "../platform.ts";
import { createFolder, DATABASE_MODE, databasePath, isEmptyFile, logsOf } from "./database-path.ts";

const DRAFT_ID_BYTES = 4;

/**
 * Writes one consistent copy of the database to a new file, readable by its owner only. A server may run meanwhile.
 * @throws {SealpostError} if the file exists, or the database is none in a file or has no data.
 */
export async function backUp(config: Config, file: string): Promise<void> {
  const path = requirePath(config, "backup copies");
  if (await isEmptyFile(path)) throw noData(path);
  await using database = new DatabaseFile(path, platform);
  if (!(await database.hasTables())) throw noData(path);
  await writeNew(file, () => database.copyTo(file));
}

/**
 * Creates the database file from a backup.
 * @returns the path of the database.
 * @throws {SealpostError} if the backup is damaged or has no data, or the database has data or is open elsewhere.
 */
export async function restore(config: Config, file: string): Promise<string> {
  const path = requirePath(config, "restore writes");
  if (await isEmptyFile(file)) throw notBackup(file);
  await using backup = new DatabaseFile(file, platform);
  if (!(await backup.hasTables())) throw notBackup(file);
  if (!(await backup.isSound()))
    throw new SealpostError("conflict", `${file} is damaged: use another backup`);
  await createFolder(dirname(path));
  await makeRoom(path);
  const draft = `${path}.${platform.randomBytes(DRAFT_ID_BYTES).toHex()}`;
  try {
    await writeNew(draft, () => backup.copyTo(draft));
    // A link never replaces a file, such as the database of a server that was started meanwhile.
    await link(draft, path);
  } catch (cause) {
    if (cause instanceof SealpostError) throw cause;
    throw notWritable(`The database file ${path} cannot be created`, cause);
  } finally {
    await rm(draft, { force: true });
  }
  return path;
}

function requirePath({ databaseUrl }: Config, verb: string): string {
  const path = databasePath(databaseUrl);
  if (path !== null) return path;
  throw invalidSetting(
    "SEALPOST_DATABASE_URL",
    `SEALPOST_DATABASE_URL: ${verb} a file: database; use the backups of your database server`,
  );
}

/** Creates a private file, never in place of another, and removes it again if writing fails. */
async function writeNew(file: string, write: () => Promise<void>): Promise<void> {
  try {
    await using _ = await open(file, "wx", DATABASE_MODE);
  } catch (cause) {
    const problem = codeOf(cause) === " (EEXIST)" ? "exists already" : `cannot be created${codeOf(cause)}`;
    throw new SealpostError("conflict", `${file} ${problem}: name a new file`, { cause });
  }
  try {
    await write();
    await using written = await open(file, "r+");
    await written.sync();
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
}

/** Removes a database without tables. @throws {SealpostError} if it has tables, or a process has it open. */
async function makeRoom(path: string): Promise<void> {
  if (await isEmptyFile(path)) {
    const [log] = await logsOf(path);
    if (log !== undefined)
      throw inTheWay(`${log} exists without its database: a server may still run, or this is its data`);
  } else {
    await using database = new DatabaseFile(path, platform);
    if (await database.hasTables()) throw inTheWay(`${path} has data`);
    await database.removeLog();
  }
  await rm(path, { force: true });
}

function inTheWay(problem: string): SealpostError {
  const advice = "stop the server and move its database with -wal and -shm to another folder first";
  return new SealpostError("conflict", `${problem}; ${advice}`);
}

function noData(path: string): SealpostError {
  return invalidSetting("SEALPOST_DATABASE_URL", `SEALPOST_DATABASE_URL: ${path} has no data to copy`);
}

function notBackup(file: string): SealpostError {
  const message = `${file} is missing or has no data: a database that was copied without its -wal file looks like this`;
  return new SealpostError("conflict", message);
}
