import { link, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Config } from "../../config.ts";
import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import { SealpostError } from "../../errors.ts";
import { generateKey, type Keyring, parseKeyring } from "../../secrets/keyring.ts";
import { createSealedRepository } from "../../storage/sealed-values.ts";
import { codeOf, invalidSetting, notWritable } from "../invalid-setting.ts";
import { cliCommand } from "../platform.ts";
import { isEmptyFile } from "./database-path.ts";

const KEY_FILE = "sealpost.keys";
/** Only the owner may read the keys. */
const KEY_FILE_MODE = 0o600;
/** Long enough that two key files created by accident differ in their key id, so that errors can name the wrong one. */
const KEY_ID_BYTES = 4;

/** The database that the keys are for. */
interface KeyedDatabase {
  /** Path of its file; `null` if it has none. */
  readonly path: string | null;
  /** A migrated database. */
  readonly database: Database;
  readonly platform: Platform;
}

/**
 * Loads the keys from the settings, or from the key file next to the database, which it creates for a new database.
 * @throws {SealpostError} `bad_setting` if it finds no keys that can be those of the database.
 */
export async function loadKeyring(
  config: Config,
  { path, database, platform }: KeyedDatabase,
): Promise<Keyring> {
  const found = await findKeyring(config, path);
  if (found !== null) return found;
  const inUse = (await createSealedRepository(database).listKeyIds()).map(({ id }) => id);
  if (path === null) return keyringWithoutFile(config, inUse, platform);
  const file = join(dirname(path), KEY_FILE);
  if (inUse.length > 0) {
    throw invalidKeys(
      `this database is encrypted with key "${inUse.join('", "')}", but ${file} is missing; restore it`,
    );
  }
  try {
    return parseKeyFile(file, await createKeyFile(file, platform));
  } catch (cause) {
    if (cause instanceof SealpostError) throw cause;
    throw notWritable(`The key file ${file} cannot be created`, cause);
  }
}

/** Returns the keys from the settings, or from the key file next to a database; `null` if there are none yet. */
export async function findKeyring({ keys }: Config, path: string | null): Promise<Keyring | null> {
  if (!keys.isEmpty) return parseKeyring(keys.reveal());
  if (path === null) return null;
  const file = join(dirname(path), KEY_FILE);
  const text = await readKeys(file);
  return text === null ? null : parseKeyFile(file, text);
}

/**
 * Asserts that a key file is next to a database with tables: a start migrates before it creates the file.
 * @throws {SealpostError} `bad_setting` if the database was lost, or copied without its log.
 */
export async function assertDatabaseOfKeys(
  { keys }: Config,
  path: string,
  hasTables: () => Promise<boolean>,
): Promise<void> {
  const file = join(dirname(path), KEY_FILE);
  if (!keys.isEmpty || (await isEmptyFile(file))) return;
  if (!(await isEmptyFile(path)) && (await hasTables())) return;
  throw invalidSetting(
    "SEALPOST_DATABASE_URL",
    `SEALPOST_DATABASE_URL: ${path} is missing or has no data, but its key file ${file} exists: restore a backup (${cliCommand()} restore <file>), or copy the database again from a stopped server, with its -wal file; a new instance needs a folder without this key file`,
  );
}

async function readKeys(file: string): Promise<string | null> {
  try {
    return await readKeyFile(file);
  } catch (cause) {
    const message = `SEALPOST_KEYS: the key file ${file} cannot be read${codeOf(cause)}`;
    throw invalidSetting("SEALPOST_KEYS", message, cause);
  }
}

function parseKeyFile(file: string, text: string): Keyring {
  try {
    return parseKeyring(text);
  } catch (cause) {
    if (!(cause instanceof SealpostError)) throw cause;
    throw invalidSetting("SEALPOST_KEYS", `${cause.message}, in the key file ${file}`, cause);
  }
}

/** A database in memory can lose its keys; a remote one would be unreadable without them. */
function keyringWithoutFile(config: Config, inUse: readonly string[], platform: Platform): Keyring {
  const fresh = generateKey(platform.randomBytes(4).toHex(), platform);
  if (config.databaseUrl === ":memory:") return parseKeyring(fresh);
  if (inUse.length > 0)
    throw invalidKeys(`set it to the key "${inUse.join('", "')}" that encrypts this database`);
  throw invalidKeys(`a remote database needs it; here is a new key to keep safe: SEALPOST_KEYS=${fresh}`);
}

function invalidKeys(problem: string): SealpostError {
  return invalidSetting("SEALPOST_KEYS", `SEALPOST_KEYS: ${problem}`);
}

/**
 * Reads a key file: keys in the form of `SEALPOST_KEYS`, or one a line.
 * @returns the keys in the form of `SEALPOST_KEYS`; `null` if there is no file.
 */
export async function readKeyFile(path: string): Promise<string | null> {
  try {
    const lines = (await readFile(path, "utf8")).split("\n").map((line) => line.trim());
    return lines.filter((line) => line !== "").join(",");
  } catch (error) {
    if (isFileError(error, "ENOENT")) return null;
    throw error;
  }
}

/**
 * Creates a key file with one new key. If several processes create it, one of them wins: a link publishes the complete
 * file under its name and never replaces another.
 * @returns the text of the file that exists in the end.
 */
export async function createKeyFile(path: string, platform: Platform): Promise<string> {
  const id = platform.randomBytes(KEY_ID_BYTES).toHex();
  const draft = `${path}.${id}`;
  try {
    await writeFile(draft, `${generateKey(id, platform)}\n`, {
      mode: KEY_FILE_MODE,
      flag: "wx",
      flush: true,
    });
    await link(draft, path);
  } catch (error) {
    if (!isFileError(error, "EEXIST")) throw error;
  } finally {
    await rm(draft, { force: true });
  }
  return (await readKeyFile(path)) ?? "";
}

function isFileError(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
