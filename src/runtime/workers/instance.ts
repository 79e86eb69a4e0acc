import { getLogger } from "@logtape/logtape";
import type { Config } from "../../config.ts";
import { createSealpost, internalsOf, type Sealpost } from "../../sealpost.ts";
import { createConfiguredAdmin } from "../configured-admin.ts";
import { pluginsOf } from "../default-plugins.ts";
import { sealpostOptionsOf } from "../options.ts";
import { createWorkerDrivers, type PlaceDrivers } from "./drivers.ts";
import { createOnce } from "./once.ts";
import CONFIG from "./plugins.ts";
import type { ScopedTransport } from "./transport.ts";

const log = getLogger(["sealpost", "entry"]);

/** The state that an isolate keeps between requests: finished values, no promise and no connection. */
export interface WorkerInstance {
  readonly sealpost: Sealpost;
  readonly transport: ScopedTransport;
  /** Resolves when the instance has started. Every invocation awaits it. */
  ready(): Promise<void>;
}

/**
 * Creates an instance from its settings, without I/O.
 * @throws {SealpostError} `bad_setting`.
 */
export function createWorkerInstance(config: Config, place: PlaceDrivers): WorkerInstance {
  const drivers = createWorkerDrivers(config, place);
  const { transport } = drivers;
  const sealpost = createSealpost({
    ...drivers,
    ...sealpostOptionsOf(config),
    defer: transport.defer,
    // Cloudflare names the client in a header of its own.
    trustedProxies: [],
    plugins: pluginsOf(CONFIG),
    // Static assets serve its files.
    ui: true,
  });
  // The router builds its table at the first match. Now, no request waits for it.
  sealpost.app.router.match("GET", "/");
  const { prepare, services } = internalsOf(sealpost);
  const warnOfMissing = async () => services.plugins.warnOfMissing();
  const ready = createOnce(async () => {
    // In parallel, because each costs round trips. A new database has no table of admins yet.
    const hadAdmin = hasAdmin(sealpost).catch(() => false);
    await prepare();
    // No request waits for these reads.
    transport.afterResponse(warnOfMissing);
    if (!(await hadAdmin)) await createFirstAdmin(config, sealpost);
  });
  return { sealpost, transport, ready };
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
