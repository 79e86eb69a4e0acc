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
import { startSqld } from "../sqld.ts";
import { bundleWorker, writeWorker } from "./build.ts";
import { QUEUES, type ServedWorker, serveWorker } from "./serve.ts";

const log = getLogger(["sealpost", "entry"]);
const DATA_FOLDER = "data/workers";
/** Only the owner looks into it. */
const DATA_MODE = 0o700;
/** As often as the trigger in `wrangler.jsonc`, which nobody pulls here. */
const MAIL_TRIGGER = "* * * * *";
const MAIL_EVERY_MS = 60_000;
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** What the Worker is given beside the settings of this process. */
interface Backend {
  readonly url: string;
  readonly keys: string;
}

/** Builds the Worker and runs it in workerd on this machine, with a database of its own, until it is told to stop. */
async function main(): Promise<void> {
  const config = parseConfig(process.env);
  await configureLogging(config.log);
  const stopping = stopSignal(process);
  await using stack = new AsyncDisposableStack();
  const backend = hasServer(config) ? given(config) : await startBackend(config, stack);
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
    .catch((error) => log.warning("Queued mail could not be sent: {error}", { error }));
}

/** Miniflare listens to signals and would end this process at once: what it adds is taken off. */
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

function hasServer(config: Config): boolean {
  return process.env.SEALPOST_DATABASE_URL === undefined ? false : requireServer(config);
}

function requireServer({ databaseUrl }: Config): true {
  if (/^(libsql|https?):/.test(databaseUrl)) return true;
  throw invalidSetting(
    "SEALPOST_DATABASE_URL",
    "SEALPOST_DATABASE_URL: a Worker has no files; expected libsql://… or https://…",
  );
}

function given(config: Config): Backend {
  return { url: config.databaseUrl, keys: config.keys.reveal() };
}

async function startBackend(config: Config, stack: AsyncDisposableStack): Promise<Backend> {
  await mkdir(DATA_FOLDER, { recursive: true, mode: DATA_MODE });
  const folder = join(DATA_FOLDER, "database");
  const keys = config.keys.isEmpty ? await findKeys(folder) : config.keys.reveal();
  const { url } = stack.use(await startSqld({ folder }));
  return { url, keys };
}

/** From the file beside the database, which is made with a new database. */
async function findKeys(databaseFolder: string): Promise<string> {
  const file = join(DATA_FOLDER, "sealpost.keys");
  const found = await readKeyFile(file);
  if (found !== null) return found;
  if (await isThere(databaseFolder)) {
    throw invalidSetting(
      "SEALPOST_KEYS",
      `SEALPOST_KEYS: ${databaseFolder} is there, but ${file} is not; restore it`,
    );
  }
  return createKeyFile(file, platform);
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/**
 * Makes what the secret SEALPOST_ADMIN_PASSWORD is for at Cloudflare; here somebody can read what is printed. Not before
 * the Worker listens: a start that fails would take the only copy of the password with it.
 * @returns the password to show, if the admin was made and the password is not the owner's own.
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
