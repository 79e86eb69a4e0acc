import { dirname, join } from "node:path";
import type { Config } from "../../config.ts";
import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import { SealpostError } from "../../errors.ts";
import { generateKey, type Keyring, parseKeyring } from "../../secrets/keyring.ts";
import { createSealedRepository } from "../../storage/sealed-values.ts";
import { badSetting, codeOf, notWritable } from "../invalid-setting.ts";
import { makeKeyFile, readKeyFile } from "./key-file.ts";

const KEY_FILE = "sealpost.keys";

/** The database that the keys are for. */
export interface KeyPlace {
  /** Path of its file; null if it has none. */
  readonly path: string | null;
  /** Migrated. */
  readonly database: Database;
  readonly platform: Platform;
}

/**
 * Keys from the settings, or from the file beside the database, which is made if the database is new.
 * @throws {SealpostError} `bad_setting` if there are none that could be those of the database.
 */
export async function findKeys(config: Config, { path, database, platform }: KeyPlace): Promise<Keyring> {
  if (!config.keys.isEmpty) return parseKeyring(config.keys.reveal());
  const inUse = (await createSealedRepository(database).selectKeyIds()).map(({ id }) => id);
  if (path === null) return keysOfNoFile(config, inUse, platform);
  const file = join(dirname(path), KEY_FILE);
  const text = await readKeys(file);
  if (text !== null) return parseKeyFile(file, text);
  if (inUse.length > 0) {
    throw badKeys(
      `this database is sealed with key "${inUse.join('", "')}", but ${file} is not there; restore it`,
    );
  }
  try {
    return parseKeyFile(file, await makeKeyFile(file, platform));
  } catch (cause) {
    if (cause instanceof SealpostError) throw cause;
    throw notWritable(`The key file ${file} cannot be made`, cause);
  }
}

async function readKeys(file: string): Promise<string | null> {
  try {
    return await readKeyFile(file);
  } catch (cause) {
    throw badSetting(
      "SEALPOST_KEYS",
      `SEALPOST_KEYS: the key file ${file} cannot be read${codeOf(cause)}`,
      cause,
    );
  }
}

function parseKeyFile(file: string, text: string): Keyring {
  try {
    return parseKeyring(text);
  } catch (cause) {
    if (!(cause instanceof SealpostError)) throw cause;
    throw badSetting("SEALPOST_KEYS", `${cause.message}, in the key file ${file}`, cause);
  }
}

/** A database in memory takes its keys with it; a remote one would be lost without them. */
function keysOfNoFile(config: Config, inUse: readonly string[], platform: Platform): Keyring {
  const fresh = generateKey(platform.randomBytes(4).toHex(), platform);
  if (config.databaseUrl === ":memory:") return parseKeyring(fresh);
  if (inUse.length > 0)
    throw badKeys(`set it to the key "${inUse.join('", "')}" that this database is sealed with`);
  throw badKeys(`a remote database needs it; here is a fresh one to keep safe: SEALPOST_KEYS=${fresh}`);
}

function badKeys(problem: string): SealpostError {
  return badSetting("SEALPOST_KEYS", `SEALPOST_KEYS: ${problem}`);
}
