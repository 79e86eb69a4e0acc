import { mkdir, open } from "node:fs/promises";
import { availableParallelism, hostname, networkInterfaces } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { createCutOff } from "../../async/abortable.ts";
import type { Config } from "../../config.ts";
import type { Platform } from "../../contracts/platform.ts";
import type { Plugin } from "../../contracts/plugin.ts";
import type { Wake, WakeSource } from "../../contracts/wake.ts";
import { asciiHostName } from "../../domain/host-name.ts";
import { SealpostError } from "../../errors.ts";
import { createServices, type Drivers, type Services } from "../../services.ts";
import { migrate } from "../../storage/migrate.ts";
import { MIGRATIONS } from "../../storage/migrations/index.ts";
import { openDatabase } from "../../storage/open-database.ts";
import { createConnect } from "../../transport/connect.ts";
import { createSmtpTransport } from "../../transport/smtp/index.ts";
import { createBullmqWake } from "../../wake/bullmq.ts";
import { createPollWake } from "../../wake/poll.ts";
import { badSetting, notWritable } from "../invalid-setting.ts";
import { PLATFORM as platform } from "../platform.ts";
import { readAuthorities } from "./authorities.ts";
import { findKeys } from "./load-keyring.ts";

/** Only the owner looks into the data folder, and into the database, wherever it lies. */
const FOLDER_MODE = 0o700;
const DATABASE_MODE = 0o600;

/** An instance on a runtime with files and sockets, ready for requests. */
export interface LocalInstance extends AsyncDisposable {
  readonly services: Services;
  readonly platform: Platform;
  /** Ends the connections to mail servers: mails in flight end at once, and what is known of them is recorded. */
  cutMail(): void;
  /** Aborted by it; queued mail of which a server has nothing yet is then taken back. */
  readonly mailCut: AbortSignal;
}

/** The drivers of a runtime with files and sockets. */
export interface LocalDrivers extends Drivers {
  /** Domain of a Message-ID when the sender has none. */
  readonly hostName: string;
  readonly cutMail: () => void;
  readonly mailCut: AbortSignal;
}

/**
 * Assembles and starts an instance from its settings: data folder, database, keys, transport.
 * @throws {SealpostError} `bad_setting` or `database_unavailable`, one line that says what to do.
 */
export async function openLocal(config: Config, plugins: readonly Plugin[] = []): Promise<LocalInstance> {
  const { hostName, ...drivers } = await openLocalDrivers(config);
  const { cutMail, mailCut } = drivers;
  const { tokenSeconds, auditDays, mailDays, baseUrl, trustedClients } = config;
  const settings = { tokenSeconds, auditDays, mailDays, hostName, baseUrl, trustedClients, plugins };
  const services = createServices(drivers, settings);
  try {
    await services.start();
    return { services, platform, cutMail, mailCut, [Symbol.asyncDispose]: services[Symbol.asyncDispose] };
  } catch (error) {
    await services[Symbol.asyncDispose]();
    throw withPath(error, databasePath(config.databaseUrl));
  }
}

/**
 * Opens what an instance works with; the database is migrated, so that its keys can be looked for.
 * @throws {SealpostError} `bad_setting` or `database_unavailable`, one line that says what to do.
 */
export async function openLocalDrivers(config: Config): Promise<LocalDrivers> {
  const path = databasePath(config.databaseUrl);
  if (path !== null) await makeFile(path);
  const database = openDatabase({
    url: config.databaseUrl,
    authToken: config.databaseToken.reveal(),
    randomBytes: platform.randomBytes,
  });
  try {
    await migrate(database, MIGRATIONS, platform);
    const keyring = await findKeys(config, { path, database, platform });
    const ca = await readAuthorities(config.tlsCa);
    const ehloName = config.ehloName === "" ? ownName() : config.ehloName;
    const { connect, cut, signal } = createCutOff(
      createConnect({ egress: config.egress, ports: config.egressPorts, ca }),
    );
    const transport = createSmtpTransport({ connect, ehloName, extraCa: ca, now: platform.now });
    const hostName = ehloName.startsWith("[") ? "localhost" : ehloName;
    const wake = wakeOf(config);
    const maxHashes = Math.max(1, availableParallelism() - 1);
    return {
      database,
      keyring,
      transport,
      platform,
      wake,
      hostName,
      maxHashes,
      cutMail: cut,
      mailCut: signal,
    };
  } catch (error) {
    await database[Symbol.asyncDispose]();
    throw withPath(error, path);
  }
}

/** Whoever shares the settings of a Worker can tell its queue nothing; mail of his is found by the sweep. */
function wakeOf({ wake, redisUrl: url }: Config): Wake & WakeSource {
  return wake === "bullmq" ? createBullmqWake({ url, now: platform.now }) : createPollWake(platform);
}

/** Says which file it is that is full, damaged or no database. */
function withPath(error: unknown, path: string | null): unknown {
  if (path === null || !(error instanceof SealpostError) || error.code !== "database_unavailable")
    return error;
  const message = `SEALPOST_DATABASE_URL, ${path}: ${error.message}`;
  return new SealpostError(error.code, message, { parameter: "SEALPOST_DATABASE_URL", cause: error });
}

/**
 * Path of the file behind a `file:` URL; null for other databases.
 * @throws {SealpostError} `bad_setting` for a URL without a path on this machine.
 */
export function databasePath(url: string): string | null {
  if (!url.startsWith("file:") || url.startsWith("file::memory:")) return null;
  const path = /[?#]/.test(url) ? null : pathOfUrl(url);
  if (path !== null && path !== "") return path;
  throw badSetting(
    "SEALPOST_DATABASE_URL",
    "SEALPOST_DATABASE_URL: expected a path on this machine after file:, without parameters",
  );
}

function pathOfUrl(url: string): string | null {
  try {
    return url.startsWith("file://") ? fileURLToPath(url) : decodeURIComponent(url.slice("file:".length));
  } catch {
    // It names another host, or escapes what no path may hold.
    return null;
  }
}

/** An empty file is a new database. SQLite gives its log the mode of the file, and would not have made it private. */
async function makeFile(path: string): Promise<void> {
  const folder = dirname(path);
  try {
    await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  } catch (cause) {
    throw notWritable(`The folder ${folder} cannot be made`, cause);
  }
  try {
    await using _ = await open(path, "a", DATABASE_MODE);
  } catch (cause) {
    throw notWritable(`The database file ${path} cannot be written`, cause);
  }
}

/** A host without a full name says an address of its own (RFC 5321 4.1.3, 4.1.4). */
function ownName(): string {
  const name = asciiHostName(hostname());
  if (name?.includes(".")) return name;
  const addresses = Object.values(networkInterfaces()).flatMap((own) => own ?? []);
  const outer = addresses.find(({ family, internal }) => family === "IPv4" && !internal);
  return `[${outer?.address ?? "127.0.0.1"}]`;
}
