import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { getLogger } from "@logtape/logtape";
import { Glob } from "bun";
import { type Config, parseConfig } from "../../src/config.ts";
import { SealpostError } from "../../src/errors.ts";
import { invalidSetting } from "../../src/runtime/invalid-setting.ts";
import { readAuthorities } from "../../src/runtime/local/authorities.ts";
import { printWelcome } from "../../src/runtime/local/first-admin.ts";
import { createKeyFile, readKeyFile } from "../../src/runtime/local/load-keyring.ts";
import { configureLogging } from "../../src/runtime/local/logging.ts";
import { stopSignal } from "../../src/runtime/local/stop-signal.ts";
import { PLATFORM as platform } from "../../src/runtime/platform.ts";
import { PAGE_FOLDER } from "../page.ts";
import { bundleWorker, writeWorker } from "./build.ts";
import { assertNotOpen, lockData } from "./data-lock.ts";
import { writeDocument } from "./document.ts";
import { type ServedWorker, type ServeWorkerOptions, type Services, serveWorker } from "./serve.ts";

const log = getLogger(["sealpost", "entry"]);
const DATA_FOLDER = "data/workers";
/** Only the owner may read it. */
const DATA_MODE = 0o700;
const KEY_FILE = join(DATA_FOLDER, "sealpost.keys");
/** Locked as long as a build runs on the data. */
const LOCK_FILE = join(DATA_FOLDER, "lock");
/** Data of the default build: the SQLite files of Durable Objects, as workerd keeps them. */
export const OBJECTS_FOLDER = join(DATA_FOLDER, "objects");
/** Data of the build for a libSQL server: those of the server that its start runs. */
export const DATABASE_FOLDER = join(DATA_FOLDER, "database");
/** An object's file has the object's ID as its name. Its folder exists before it. */
const OBJECT_FILES = new Glob(`*/${"[0-9a-f]".repeat(64)}.sqlite`);
/** The alarms of a class, which workerd has open as long as it runs. */
const ALARM_FILES = new Glob("*/metadata.sqlite");
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Sources, bindings and services of one build of the Worker. */
export interface WorkerPlan {
  /** Main source file. */
  readonly entry: string;
  readonly bindings: ServeWorkerOptions["bindings"];
  readonly services: Services;
}

/** A Worker that runs. */
export interface StartedWorker {
  readonly worker: ServedWorker;
  /** The first admin's password to print; `null` if there is none to print. */
  readonly password: string | null;
}

/** Starts one build of the Worker. `serve` bundles it and runs it in workerd. */
export type StartBuild = (
  config: Config,
  serve: (plan: WorkerPlan) => Promise<ServedWorker>,
  stack: AsyncDisposableStack,
) => Promise<StartedWorker>;

/** Builds a Worker and runs it in workerd on this machine until it gets a signal, and ends the process. */
export async function runLocally(start: StartBuild): Promise<never> {
  try {
    await serveUntilSignal(start);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`sealpost: ${error instanceof SealpostError ? error.message : String(error)}\n`);
    process.exit(1);
  }
}

async function serveUntilSignal(start: StartBuild): Promise<void> {
  const config = parseConfig(process.env);
  await configureLogging(config.log);
  const stopping = stopSignal(process);
  await using stack = new AsyncDisposableStack();
  const serve = async (plan: WorkerPlan) => stack.use(await keepingSignals(() => serveIn(config, plan)));
  const { worker, password } = await start(config, serve, stack);
  printWelcome(config, {
    url: worker.url,
    password,
    remark: "It runs in workerd, as at Cloudflare",
    passwordRemark: "shown this once",
  });
  log.info("Stopping on {signal}", { signal: await stopping });
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

async function serveIn(config: Config, { entry, bindings, services }: WorkerPlan): Promise<ServedWorker> {
  const bundle = await bundleWorker(entry, config.transport);
  await writeWorker(bundle);
  await writeDocument(bundle, config.baseUrl);
  const settings = Object.entries(process.env).flatMap(([name, value = ""]) =>
    /^(SEALPOST_|HOST$|PORT$)/.test(name) ? [[name, value] as const] : [],
  );
  return serveWorker({
    bundle,
    ...(existsSync(PAGE_FOLDER) && { assets: PAGE_FOLDER }),
    host: config.host,
    port: config.port,
    bindings: { ...Object.fromEntries(settings), ...bindings },
    authorities: await readAuthorities(config.tlsCa),
    services,
    onLine: (line) => process.stderr.write(`${line}\n`),
  });
}

/** Whether the default build has data on this machine. */
export function hasObject(): boolean {
  return existsSync(OBJECTS_FOLDER) && !OBJECT_FILES.scanSync(OBJECTS_FOLDER).next().done;
}

/** @throws {SealpostError} `bad_setting` if a workerd that has outlived its start uses the data of the default build. */
export function assertNoOtherWorkerd(): void {
  if (!existsSync(OBJECTS_FOLDER)) return;
  for (const file of ALARM_FILES.scanSync(OBJECTS_FOLDER)) assertNotOpen(join(OBJECTS_FOLDER, file));
}

/**
 * Creates the data folder, locks it, and returns the keys of the settings, or of the file next to the data. New data get
 * new keys.
 * @param stack releases the lock.
 * @throws {SealpostError} `bad_setting` if another process uses the data, or the file of their keys is missing.
 */
export async function prepareData({ keys }: Config, stack: AsyncDisposableStack): Promise<string> {
  await mkdir(DATA_FOLDER, { recursive: true, mode: DATA_MODE });
  stack.use(lockData(LOCK_FILE));
  if (!keys.isEmpty) return keys.reveal();
  const found = await readKeyFile(KEY_FILE);
  if (found !== null) return found;
  // One file has the keys of both builds.
  const data = existsSync(DATABASE_FOLDER) ? DATABASE_FOLDER : hasObject() ? OBJECTS_FOLDER : null;
  if (data === null) return createKeyFile(KEY_FILE, platform);
  throw invalidSetting(
    "SEALPOST_KEYS",
    `SEALPOST_KEYS: ${data} exists, but ${KEY_FILE} is missing; restore it`,
  );
}
