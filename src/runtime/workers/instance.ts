import { getLogger } from "@logtape/logtape";
import { createApp, type SealpostApp } from "../../app.ts";
import type { Config } from "../../config.ts";
import { createServices, type Services } from "../../services.ts";
import { STANDARD_PLUGINS } from "../default-plugins.ts";
import { pluginsOf } from "../plugin-list.ts";
import { createWorkerDrivers } from "./drivers.ts";
import { createOnce } from "./once.ts";
import CONFIG from "./plugins.ts";
import type { ScopedTransport } from "./transport.ts";

const log = getLogger(["sealpost", "entry"]);

/** What an isolate keeps between requests: finished values, no promise and no connection. */
export interface WorkerInstance {
  readonly app: SealpostApp;
  readonly services: Services;
  readonly transport: ScopedTransport;
  /** Resolves when the database is as it has to be; to be awaited by every event. */
  ready(): Promise<void>;
}

/**
 * Assembles an instance from its settings, without I/O.
 * @param queue what is bound as the queue of wakes.
 * @throws {SealpostError} `bad_setting`.
 */
export function createWorkerInstance(config: Config, queue: unknown): WorkerInstance {
  const { hostName, clientAddress, ...drivers } = createWorkerDrivers(config, queue);
  const { tokenSeconds, auditDays, mailDays, baseUrl, trustedClients } = config;
  const settings = { tokenSeconds, auditDays, mailDays, hostName, baseUrl, trustedClients };
  const { defer } = drivers.transport;
  const services = createServices(
    { ...drivers, defer },
    { ...settings, plugins: pluginsOf(CONFIG, STANDARD_PLUGINS) },
  );
  const app = createApp(services, {
    revealSecrets: config.secrets === "reveal",
    trustedProxies: [],
    needsAdmin: true,
    clientAddress,
  });
  // Its table of routes is built at the first match; now no request waits for it.
  app.router.match("GET", "/");
  const ready = createOnce(async () => {
    // Together: over the network each costs round trips of its own. A new database has no table of admins yet.
    const hasAdmin = isThereAdmin(services).catch(() => false);
    await services.start();
    services.plugins.warnOfMissing();
    if (!(await hasAdmin)) await makeFirstAdmin(config, services);
  });
  return { app, services, transport: drivers.transport, ready };
}

async function isThereAdmin({ admins }: Services): Promise<boolean> {
  return (await admins.list()).length > 0;
}

/** Without a password none is made: one that is invented would have to be printed into a log that is kept. */
async function makeFirstAdmin({ adminUser, adminPassword }: Config, services: Services): Promise<void> {
  if (await isThereAdmin(services)) return;
  if (adminPassword.isEmpty) {
    log.warning(
      "There is no admin yet: set the secret SEALPOST_ADMIN_PASSWORD and the next start makes the first",
    );
    return;
  }
  const made = await services.admins.makeFirst({ username: adminUser, realm: "" }, adminPassword);
  if (made) log.info("Made the first admin, {adminUser}", { adminUser });
}
