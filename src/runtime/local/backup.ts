import { link, mkdtemp, open, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { adoptCopy } from "../../access/moves.ts";
import type { Config } from "../../config.ts";
import type { Plugin } from "../../contracts/plugin/definition.ts";
import type { AuditActor } from "../../domain/audit.ts";
import type { BackupSource, Restored, RestoreOptions } from "../../domain/backup.ts";
import { Secret } from "../../domain/secret.ts";
import { SealpostError } from "../../errors.ts";
import { readPlugins } from "../../plugin/registry.ts";
import { isNotDatabase } from "../../storage/errors.ts";
import { DatabaseFile } from "../../storage/local/database-file.ts";
import { codeOf, invalidSetting, notWritable } from "../invalid-setting.ts";
import { PLATFORM as platform } from "../platform.ts";
import { createFolder, DATABASE_MODE, databasePath, isEmptyFile, logsOf } from "./database-path.ts";
import { findKeyring } from "./load-keyring.ts";
import { auditOf, restoreInto, rowsOf, sourceOf, targetOf, withDatabase } from "./moves.ts";
import { isPortable, openPortable, type PortableBackup, writePortable } from "./portable-file.ts";

const DRAFT_ID_BYTES = 4;
/** Start of the name of a folder for a database that is being written. */
const WORK_FOLDER = ".sealpost-";

interface BackupOptions {
  /** Whether the backup is to be portable. A database server has no other. */
  readonly portable: boolean;
  readonly plugins: readonly Plugin[];
}
interface RestoreFileOptions extends RestoreOptions {
  readonly plugins: readonly Plugin[];
  readonly actor: AuditActor;
}

/**
 * Writes one consistent copy of the database to a new file, readable by its owner only. A server may run meanwhile.
 * @returns whether the copy is portable.
 * @throws {SealpostError} if the file exists, or the database has no data.
 */
export async function backUp(
  config: Config,
  file: string,
  { portable, plugins }: BackupOptions,
): Promise<boolean> {
  const path = databasePath(config.databaseUrl);
  if (path === null) {
    await withDatabase(config, (database) => writeBackup(file, sourceOf(database, plugins)));
    return true;
  }
  if (await isEmptyFile(path)) throw noData(path);
  await using database = new DatabaseFile(path, platform);
  if (!(await database.hasTables())) throw noData(path);
  await writeNew(file, async () => {
    if (!portable) return database.copyTo(file);
    await withWorkFile(dirname(file), async (work) => {
      await writeNew(work, () => database.copyTo(work));
      await withDatabase(fileAt(work), (copy) => writePortable(sourceOf(copy, plugins), file));
    });
  });
  return portable;
}

/** Writes a portable backup to a new file. */
export async function writeBackup(file: string, source: BackupSource): Promise<void> {
  await writeNew(file, () => writePortable(source, file));
}

/**
 * Creates the database from a backup, and holds its queued mail.
 * @returns the path or the host of the database, and the result.
 * @throws {SealpostError} if the backup is damaged or has no data, or the given keys do not open it; or if the database has
 * data that is not to be replaced, or is open elsewhere.
 */
export async function restore(
  config: Config,
  file: string,
  options: RestoreFileOptions,
): Promise<Restored & { readonly place: string }> {
  const path = databasePath(config.databaseUrl);
  const keyring = await findKeyring(config, path);
  const given = { ...options, keyring };
  if (path === null) {
    if (keyring === null) throw keysMissing();
    const restored = await withBackup(file, options.plugins, (backup) =>
      withDatabase(config, (database) => restoreInto(targetOf(database, given), backup, options)),
    );
    return { place: new URL(config.databaseUrl).host, ...restored };
  }
  const portable = (await isPortable(file)) ? await openPortable(file) : null;
  await using original = portable === null ? await openCopy(file) : null;
  await createFolder(dirname(path));
  await makeRoom(path, options);
  const restored = await withWorkFile(dirname(path), async (work) => {
    await writeNew(work, async () => original?.copyTo(work));
    const result = await withDatabase(fileAt(work), (database) =>
      portable === null
        ? adoptCopy(database, {
            keyring,
            platform,
            dueTimes: readPlugins(options.plugins).dueTimes,
            audit: auditOf(database, options.actor),
          })
        : restoreInto(targetOf(database, given), portable, { replace: true }),
    );
    await publish(work, path, options);
    return result;
  });
  return { place: path, ...restored };
}

/** Opens a backup of either kind, so that its rows can be moved into any database. */
export async function withBackup<T>(
  file: string,
  plugins: readonly Plugin[],
  work: (backup: PortableBackup) => Promise<T>,
): Promise<T> {
  if (await isPortable(file)) return work(await openPortable(file));
  await using original = await openCopy(file);
  return await withWorkFile(tmpdir(), async (copy) => {
    await writeNew(copy, () => original.copyTo(copy));
    return withDatabase(fileAt(copy), async (database) => work(await rowsOf(sourceOf(database, plugins))));
  });
}

/** @throws {SealpostError} `conflict` if the file has no data, is damaged, or is something else. */
async function openCopy(file: string): Promise<DatabaseFile> {
  if (await isEmptyFile(file)) throw notBackup(file);
  const copy = new DatabaseFile(file, platform);
  try {
    if (!(await copy.hasTables())) throw notBackup(file);
    if (await copy.isSound()) return copy;
    throw new SealpostError("conflict", `${file} is damaged: use another backup`);
  } catch (error) {
    await copy[Symbol.asyncDispose]();
    if (!isNotDatabase(error)) throw error;
    const message = `${file} is not a database or a portable backup: decompress it first, or use another one`;
    throw new SealpostError("conflict", message, { cause: error });
  }
}

/** Runs work with the path of a file that does not exist yet, in a folder of its own that is removed afterwards. */
async function withWorkFile<T>(parent: string, work: (path: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(parent, WORK_FOLDER)).catch((cause) => {
    throw notWritable(`A folder in ${parent} cannot be created`, cause);
  });
  try {
    return await work(join(folder, "sealpost.db"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Makes a complete database the one at the path, without its log. */
async function publish(work: string, path: string, { replace }: RestoreOptions): Promise<void> {
  const draft = `${path}.${platform.randomBytes(DRAFT_ID_BYTES).toHex()}`;
  try {
    await using database = new DatabaseFile(work, platform);
    await writeNew(draft, () => database.copyTo(draft));
    await assertUnused(path, { replace });
    // A link never replaces a file, such as the database of a server that was started meanwhile.
    await (replace ? rename(draft, path) : link(draft, path));
  } catch (cause) {
    if (cause instanceof SealpostError) throw cause;
    throw notWritable(`The database file ${path} cannot be created`, cause);
  } finally {
    await rm(draft, { force: true });
  }
}

/** @throws {SealpostError} if a process has opened the database that is to be replaced, or a log lies where it would be read. */
async function assertUnused(path: string, { replace }: RestoreOptions): Promise<void> {
  if (replace && !(await isEmptyFile(path))) {
    await using database = new DatabaseFile(path, platform);
    await database.removeLog().catch((cause) => {
      throw inTheWay(`${path} was opened by another process while the backup was read`, cause);
    });
  }
  const [log] = await logsOf(path);
  if (log !== undefined) throw inTheWay(`${log} was created while the backup was read`);
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

/**
 * Removes a database without tables.
 * @throws {SealpostError} if it has tables that are not to be replaced, or a process has it open.
 */
async function makeRoom(path: string, { replace }: RestoreOptions): Promise<void> {
  if (await isEmptyFile(path)) {
    const [log] = await logsOf(path);
    if (log !== undefined)
      throw inTheWay(`${log} exists without its database: a server may still run, or this is its data`);
  } else {
    await using database = new DatabaseFile(path, platform);
    const hasTables = await database.hasTables();
    if (hasTables && !replace) throw inTheWay(`${path} has data`);
    await database.removeLog().catch((cause) => {
      throw inTheWay(`${path} is open in another process`, cause);
    });
    if (hasTables) return;
  }
  await rm(path, { force: true });
}

function fileAt(path: string) {
  return { databaseUrl: pathToFileURL(path).href, databaseToken: Secret.EMPTY };
}

function inTheWay(problem: string, cause?: unknown): SealpostError {
  const advice = "stop the server and move its database with -wal and -shm to another folder first";
  return new SealpostError("conflict", `${problem}; ${advice}`, { cause });
}

function noData(path: string): SealpostError {
  return invalidSetting("SEALPOST_DATABASE_URL", `SEALPOST_DATABASE_URL: ${path} has no data to copy`);
}

function keysMissing(): SealpostError {
  const message =
    "SEALPOST_KEYS: a database server needs it: set it to the keys of the instance that was backed up";
  return invalidSetting("SEALPOST_KEYS", message);
}

function notBackup(file: string): SealpostError {
  const message = `${file} is missing or has no data: a database that was copied without its -wal file looks like this`;
  return new SealpostError("conflict", message);
}
