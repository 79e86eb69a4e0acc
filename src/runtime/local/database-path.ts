import { access, constants, mkdir, open, stat } from "node:fs/promises";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { getLogger } from "@logtape/logtape";
import { invalidSetting, notWritable } from "../invalid-setting.ts";

const log = getLogger(["sealpost", "entry"]);

/** Only the owner may read the data folder and the database, wherever it is. */
const FOLDER_MODE = 0o700;
export const DATABASE_MODE = 0o600;

/**
 * Returns the path of the file behind a `file:` URL; `null` for other databases.
 * @throws {SealpostError} `bad_setting` for a URL without a path on this machine.
 */
export function databasePath(url: string): string | null {
  if (!url.startsWith("file:") || url.startsWith("file::memory:")) return null;
  const path = /[?#]/.test(url) ? null : pathOfUrl(url);
  if (path !== null && path !== "") return path;
  throw invalidSetting(
    "SEALPOST_DATABASE_URL",
    "SEALPOST_DATABASE_URL: expected a path on this machine after file:, without parameters",
  );
}

function pathOfUrl(url: string): string | null {
  try {
    return url.startsWith("file://") ? fileURLToPath(url) : decodeURIComponent(url.slice("file:".length));
  } catch {
    // The URL names another host, or escapes characters that a path may not have.
    return null;
  }
}

/**
 * Creates the file of a new database, which is empty: SQLite would not make it private, and its log takes the file's mode.
 * A file with data is not opened. The end of a second descriptor would end the locks of SQLite (fcntl(2)), and the next
 * program that closes the database would delete its log.
 */
export async function createFile(path: string): Promise<void> {
  await createFolder(dirname(path));
  try {
    // Something else than a file cannot be opened like this, and the error says why.
    const stats = await stat(path).catch(() => null);
    if (stats?.isFile() && stats.size > 0) await access(path, constants.W_OK);
    else await (await open(path, "a", DATABASE_MODE)).close();
  } catch (cause) {
    throw notWritable(`The database file ${path} cannot be written`, cause);
  }
}

/** Creates the data folder unless it exists. */
export async function createFolder(folder: string): Promise<void> {
  try {
    const created = await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
    // A mistyped path creates folders where no one looks for them.
    const isElsewhere = relative(process.cwd(), folder).startsWith("..");
    if (created !== undefined && isElsewhere)
      log.info("Created the folder {folder}", { folder: resolve(folder) });
  } catch (cause) {
    throw notWritable(`The folder ${folder} cannot be created`, cause);
  }
}

/** Whether a file is missing, out of reach or has no bytes. SQLite must not open it then: it would delete its log. */
export async function isEmptyFile(path: string): Promise<boolean> {
  return ((await stat(path).catch(() => null))?.size ?? 0) === 0;
}

/** Returns the paths of the log and of its index, as far as they exist. */
export async function logsOf(path: string): Promise<readonly string[]> {
  const paths = [`${path}-wal`, `${path}-shm`];
  const found = await Promise.all(paths.map((log) => stat(log).catch(() => null)));
  return paths.filter((_, index) => found[index] !== null);
}
