import { getLogger } from "@logtape/logtape";
import { discardCopies } from "../../access/moves.ts";
import type { Config } from "../../config.ts";
import { readPlugins } from "../../plugin/registry.ts";
import { createSealpost, internalsOf, type Sealpost } from "../../sealpost.ts";
import { createConfiguredAdmin } from "../configured-admin.ts";
import { pluginsOf } from "../default-plugins.ts";
import { sealpostOptionsOf } from "../options.ts";
import { PLATFORM as platform } from "../platform.ts";
import { createWorkerDrivers, type PlaceDrivers } from "./drivers.ts";
import { createOnce } from "./once.ts";
import { createOperatorDoor } from "./operator.ts";
import CONFIG from "./plugins.ts";
import type { ScopedTransport } from "./transport.ts";

const log = getLogger(["sealpost", "entry"]);
const DAY_MS = 86_400_000;
/** Start of the paths of the command line. */
const OPERATOR = "/operator/";

/** Whether an instance of this isolate has logged which definitions are missing. */
let hasWarned = false;

/** The state that an isolate keeps between requests: finished values, no promise and no connection. */
export interface WorkerInstance {
  readonly sealpost: Sealpost;
  readonly transport: ScopedTransport;
  /** Handles a request, once the instance is ready. */
  fetch(request: Request): Promise<Response>;
  /** Does the work of a day. */
  prune(): Promise<void>;
  /** Resolves when the instance has started. Every invocation awaits it. */
  ready(): Promise<void>;
  /** Closes its plugins and its connections to mail servers, once no invocation uses it. The database stays open. */
  close(): Promise<void>;
}

/**
 * Creates an instance from its settings, without I/O.
 * @param place.beforePlugins runs at the start, after the migrations and before plugins start.
 * @param restart has later invocations create another one.
 * @throws {SealpostError} `bad_setting`.
 */
export function createWorkerInstance(
  config: Config,
  { beforePlugins, ...place }: PlaceDrivers & { readonly beforePlugins?: () => Promise<void> },
  restart: () => void,
): WorkerInstance {
  const drivers = createWorkerDrivers(config, place);
  const { transport } = drivers;
  const plugins = pluginsOf(CONFIG);
  const sealpost = createSealpost({
    ...drivers,
    ...sealpostOptionsOf(config),
    defer: transport.defer,
    // Cloudflare names the client in a header of its own.
    trustedProxies: [],
    plugins,
    // Static assets serve its files.
    ui: true,
  });
  const inside = internalsOf(sealpost);
  const { prepare, services } = inside;
  const warnOfMissing = async () => services.plugins.warnOfMissing();
  const ready = createOnce(async () => {
    // In parallel, because each costs round trips. A new database has no table of admins yet.
    const hadAdmin = hasAdmin(sealpost).catch(() => false);
    await prepare(beforePlugins);
    // No request waits for these reads, and an object that was idle does not log the same again.
    if (!hasWarned) transport.afterResponse(warnOfMissing);
    hasWarned = true;
    if (!(await hadAdmin)) await createFirstAdmin(config, sealpost);
  });
  let door: ((request: Request) => Promise<Response>) | null = null;
  const restartAfterRestore = () => {
    // A restored instance may lack other definitions.
    hasWarned = false;
    restart();
  };
  // Most instances never get a command, so the first one waits for the door.
  const operate = (request: Request) => {
    door ??= createOperatorDoor({
      ...drivers,
      ...inside,
      plugins: readPlugins(plugins),
      restart: restartAfterRestore,
    });
    return door(request);
  };
  const fetch = async (request: Request) =>
    new URL(request.url).pathname.startsWith(OPERATOR) ? operate(request) : inside.fetch(request);
  const prune = async () => {
    await sealpost.prune();
    await discardCopies(drivers.database, new Date(platform.now().getTime() - DAY_MS));
  };
  const close = async () => {
    await services.plugins.close();
    await transport[Symbol.asyncDispose]();
  };
  return { sealpost, transport, fetch, prune, ready, close };
}

async function hasAdmin(sealpost: Sealpost): Promise<boolean> {
  return (await internalsOf(sealpost).services.admins.list()).length > 0;
}

/** Needs a password from the settings: a random one would have to be printed into a log that is kept. */
async function createFirstAdmin(config: Config, sealpost: Sealpost): Promise<void> {
  if (!config.adminPassword.isEmpty) {
    const isNew = await createConfiguredAdmin(config, sealpost);
    if (isNew) log.info("Created the first admin, {adminUser}", { adminUser: config.adminUser });
  } else if (!(await hasAdmin(sealpost))) {
    log.warning(
      "There is no admin yet: set the secret SEALPOST_ADMIN_PASSWORD, and the next start creates the first",
    );
  }
}
