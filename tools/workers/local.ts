import { existsSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { getLogger } from "@logtape/logtape";
import { type Config, parseConfig } from "../../src/config.ts";
import { Secret } from "../../src/domain/secret.ts";
import { SealpostError } from "../../src/errors.ts";
import { invalidSetting } from "../../src/runtime/invalid-setting.ts";
import { readAuthorities } from "../../src/runtime/local/authorities.ts";
import { createFirstAdmin, printWelcome } from "../../src/runtime/local/first-admin.ts";
import { openInstance } from "../../src/runtime/local/instance.ts";
import { createKeyFile, readKeyFile } from "../../src/runtime/local/load-keyring.ts";
import { configureLogging } from "../../src/runtime/local/logging.ts";
import { stopSignal } from "../../src/runtime/local/stop-signal.ts";
import { PLATFORM as platform } from "../../src/runtime/platform.ts";
import { PAGE_FOLDER } from "../page.ts";
import { startSqld } from "../sqld.ts";
import { bundleWorker, writeWorker } from "./build.ts";
import { QUEUES, type ServedWorker, serveWorker } from "./serve.ts";

const log = getLogger(["sealpost", "entry"]);
const DATA_FOLDER = "data/workers";
/** Only the owner may read it. */
const DATA_MODE = 0o700;
/** The trigger of `wrangler.jsonc`, which workerd does not run by itself. */
const MAIL_TRIGGER = "* * * * *";
const MAIL_EVERY_MS = 60_000;
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** The database and keys of the Worker. */
interface Backend {
  readonly url: string;
  readonly keys: string;
}

/** Builds the Worker and runs it in workerd on this machine, with a database of its own, until it gets a signal. */
async function main(): Promise<void> {
  const config = parseConfig(process.env);
  await configureLogging(config.log);
  const stopping = stopSignal(process);
  await using stack = new AsyncDisposableStack();
  const backend = hasOwnDatabase(config)
    ? { url: config.databaseUrl, keys: config.keys.reveal() }
    : await startBackend(config, stack);
  const { worker, password } = await start(config, backend, stack);
  printWelcome(config, {
    url: worker.url,
    password,
    remark: "It runs in workerd, as at Cloudflare",
    passwordRemark: "shown this once",
  });
  const sending = setInterval(() => void sendMail(worker), MAIL_EVERY_MS);
  log.info("Stopping on {signal}", { signal: await stopping });
  clearInterval(sending);
}

async function sendMail(worker: ServedWorker): Promise<void> {
  await worker
    .runScheduled(MAIL_TRIGGER)
    .catch((error) => log.warning("Cannot send queued mail: {error}", { error }));
}

/** Removes the signal listeners that Miniflare adds, which would end this process immediately. */
async function keepingSignals<T>(work: () => Promise<T>): Promise<T> {
  const own = SIGNALS.flatMap((name) => process.listeners(name));
  try {
    return await work();
  } finally {
    for (const name of SIGNALS) {
      for (const listener of process.listeners(name)) {
        if (!own.includes(listener)) process.off(name, listener);
      }
    }
  }
}

/** @throws {SealpostError} `bad_setting` for a database that a Worker cannot reach. */
function hasOwnDatabase({ databaseUrl }: Config): boolean {
  if (process.env.SEALPOST_DATABASE_URL === undefined) return false;
  if (/^(libsql|https?):/.test(databaseUrl)) return true;
  throw invalidSetting(
    "SEALPOST_DATABASE_URL",
    "SEALPOST_DATABASE_URL: a Worker has no files; expected libsql://… or https://…",
  );
}

async function startBackend(config: Config, stack: AsyncDisposableStack): Promise<Backend> {
  await mkdir(DATA_FOLDER, { recursive: true, mode: DATA_MODE });
  const folder = join(DATA_FOLDER, "database");
  const keys = config.keys.isEmpty ? await loadKeys(folder) : config.keys.reveal();
  const { url } = stack.use(await startSqld({ folder }));
  return { url, keys };
}

/** Reads the keys from the file next to the database, or creates it for a new database. */
async function loadKeys(databaseFolder: string): Promise<string> {
  const file = join(DATA_FOLDER, "sealpost.keys");
  const found = await readKeyFile(file);
  if (found !== null) return found;
  if (await exists(databaseFolder)) {
    throw invalidSetting(
      "SEALPOST_KEYS",
      `SEALPOST_KEYS: ${databaseFolder} exists, but ${file} is missing; restore it`,
    );
  }
  return createKeyFile(file, platform);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/**
 * Starts the Worker, then creates the first admin. At Cloudflare that takes the secret SEALPOST_ADMIN_PASSWORD; here the
 * password can be printed. It follows the start, because a failed start would lose the only copy of the password.
 * @returns the password to print, if this process created the admin and the settings give no password.
 */
async function start(config: Config, { url, keys }: Backend, stack: AsyncDisposableStack) {
  await using sealpost = await openInstance({ ...config, databaseUrl: url, keys: new Secret(keys) });
  const worker = stack.use(await keepingSignals(() => serve(config, { url, keys })));
  return { worker, password: await createFirstAdmin(config, sealpost) };
}

async function serve(config: Config, { url, keys }: Backend): Promise<ServedWorker> {
  const bundle = await bundleWorker(undefined, config.transport);
  await writeWorker(bundle);
  const settings = Object.entries(process.env).filter(([name]) => /^(SEALPOST_|HOST$|PORT$)/.test(name));
  return serveWorker({
    bundle,
    ...(existsSync(PAGE_FOLDER) && { assets: PAGE_FOLDER }),
    host: config.host,
    port: config.port,
    bindings: { ...Object.fromEntries(settings), SEALPOST_DATABASE_URL: url, SEALPOST_KEYS: keys },
    authorities: await readAuthorities(config.tlsCa),
    services: config.wake === "cloudflare" ? QUEUES : undefined,
    onLine: (line) => process.stderr.write(`${line}\n`),
  });
}

try {
  await main();
  process.exit(0);
} catch (error) {
  process.stderr.write(`sealpost: ${error instanceof SealpostError ? error.message : String(error)}\n`);
  process.exit(1);
}
