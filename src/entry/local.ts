import { mkdir, readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Config } from "../config.ts";
import { SealpostError } from "../errors.ts";
import { generateKey, type Keyring, parseKeyring } from "../secrets/keyring.ts";
import { createServices, type Services } from "../services.ts";
import type { Database } from "../storage/database.ts";
import { openDatabase } from "../storage/libsql.ts";
import { migrate } from "../storage/migrate.ts";
import { MIGRATIONS } from "../storage/migrations/index.ts";
import { createSealedRepository } from "../storage/sealed.ts";
import { createConnect } from "../transport/connect.ts";
import { createSmtpTransport } from "../transport/smtp.ts";
import { createCutOff } from "./cut-off.ts";
import { makeKeyFile, readKeyFile } from "./key-file.ts";
import { createLocalPlatform, type LocalPlatform } from "./platform.ts";

/** Only the owner looks into the data folder, and into the files that are made, wherever they lie. */
const DATA_MODE = 0o700;
const OWNER_ONLY_UMASK = 0o077;
const KEY_FILE = "sealpost.keys";
/** Says that the host has no name fit for EHLO (RFC 5321 4.1.4). */
const NO_NAME = "[127.0.0.1]";

/** An instance on a runtime with files and sockets, ready for requests. */
export interface LocalInstance extends AsyncDisposable {
  readonly services: Services;
  readonly platform: LocalPlatform;
  /** Ends the connections to mail servers: mails in flight end at once, and what is known of them is recorded. */
  cutMail(): void;
}

/**
 * Assembles and starts an instance from its settings: data folder, database, keys, transport.
 * @throws {SealpostError} `bad_setting` or `database_unavailable`, one line that says what to do.
 */
export async function openLocal(config: Config): Promise<LocalInstance> {
  const platform = createLocalPlatform();
  process.umask(OWNER_ONLY_UMASK);
  const path = databasePath(config.databaseUrl);
  if (path !== null) await makeFolder(dirname(path));
  const database = openDatabase({
    url: config.databaseUrl,
    authToken: config.databaseToken.reveal(),
    randomBytes: platform.randomBytes,
  });
  try {
    await migrate(database, MIGRATIONS, platform);
    const keyring = await findKeys(config, path, database, platform);
    const ca = await readCa(config.tlsCa);
    const ehloName = config.ehloName === "" ? ownName() : config.ehloName;
    const { connect, cut } = createCutOff(
      createConnect({ egress: config.egress, ports: config.egressPorts, ca }),
    );
    const transport = createSmtpTransport({ connect, ehloName, extraCa: ca, now: platform.now });
    const { tokenSeconds, auditDays } = config;
    const services = createServices(
      { database, keyring, transport, platform },
      { tokenSeconds, auditDays, hostName: ehloName.startsWith("[") ? "localhost" : ehloName },
    );
    await services.start();
    return { services, platform, cutMail: cut, [Symbol.asyncDispose]: () => close(services, platform) };
  } catch (error) {
    await database[Symbol.asyncDispose]();
    throw error;
  }
}

async function close(services: Services, platform: LocalPlatform): Promise<void> {
  await platform.drain();
  await services[Symbol.asyncDispose]();
}

/** Path of the file behind a `file:` URL; null for other databases. */
export function databasePath(url: string): string | null {
  if (!url.startsWith("file:") || url.startsWith("file::memory:")) return null;
  return url.startsWith("file://") ? fileURLToPath(url) : url.slice("file:".length);
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: DATA_MODE });
  } catch (cause) {
    throw notWritable(`The folder ${folder} cannot be made`, cause);
  }
}

/** Keys from the settings, or from the file beside the database, which is made if the database is new. */
async function findKeys(
  config: Config,
  path: string | null,
  database: Database,
  platform: LocalPlatform,
): Promise<Keyring> {
  if (!config.keys.isEmpty) return parseKeyring(config.keys.reveal());
  const inUse = [...(await createSealedRepository(database).keyIds())];
  if (path === null) return keysOfNoFile(config, inUse, platform);
  const file = join(dirname(path), KEY_FILE);
  const text = await readKeyFile(file);
  if (text !== null) return parseKeyring(text);
  if (inUse.length > 0) {
    throw badKeys(
      `this database is sealed with key "${inUse.join('", "')}", but ${file} is not there; restore it`,
    );
  }
  try {
    return parseKeyring(await makeKeyFile(file, platform));
  } catch (cause) {
    if (cause instanceof SealpostError) throw cause;
    throw notWritable(`The key file ${file} cannot be made`, cause);
  }
}

/** A database in memory takes its keys with it; a remote one would be lost without them. */
function keysOfNoFile(config: Config, inUse: readonly string[], platform: LocalPlatform): Keyring {
  const fresh = generateKey(platform.randomBytes(4).toHex(), platform);
  if (config.databaseUrl === ":memory:") return parseKeyring(fresh);
  if (inUse.length > 0)
    throw badKeys(`set it to the key "${inUse.join('", "')}" that this database is sealed with`);
  throw badKeys(`a remote database needs it; here is a fresh one to keep safe: SEALPOST_KEYS=${fresh}`);
}

function badKeys(problem: string): SealpostError {
  return new SealpostError("bad_setting", `SEALPOST_KEYS: ${problem}`, { parameter: "SEALPOST_KEYS" });
}

function notWritable(what: string, cause: unknown): SealpostError {
  const code = cause instanceof Error && "code" in cause ? ` (${cause.code})` : "";
  const message = `${what}${code}: it needs a disk with space that this user may write; SEALPOST_DATABASE_URL names another place`;
  return new SealpostError("bad_setting", message, { parameter: "SEALPOST_DATABASE_URL", cause });
}

/** PEM text, or the path of a file with it. */
async function readCa(setting: string): Promise<string[]> {
  if (setting === "") return [];
  const pem = setting.includes("-----BEGIN") ? setting : await readCaFile(setting);
  if (pem.includes("-----BEGIN CERTIFICATE-----")) return [pem];
  throw new SealpostError("bad_setting", "SEALPOST_TLS_CA: expected certificates as PEM", {
    parameter: "SEALPOST_TLS_CA",
  });
}

async function readCaFile(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const options = { parameter: "SEALPOST_TLS_CA", cause };
    throw new SealpostError("bad_setting", `SEALPOST_TLS_CA: the file ${path} cannot be read`, options);
  }
}

function ownName(): string {
  const name = hostname();
  return name.includes(".") ? name : NO_NAME;
}
