import { getLogger } from "@logtape/logtape";
import { createApp, type SealpostApp } from "../app.ts";
import type { Config } from "../config.ts";
import { canonicalIp } from "../domain/network.ts";
import { parseKeyring } from "../secrets/keyring.ts";
import { createServices, type Services } from "../services.ts";
import { openRemoteDatabase } from "../storage/remote.ts";
import { createConnectByName } from "../transport/connect-by-name.ts";
import { PLATFORM as platform } from "./platform.ts";
import { createOnce } from "./workers-once.ts";
import { createScopedTransport, type ScopedTransport } from "./workers-transport.ts";

const log = getLogger(["sealpost", "entry"]);

/** Said in EHLO by who knows no name of his own (RFC 5321 4.1.4); the address that a Worker calls from is unknown. */
const NAMELESS = "[127.0.0.1]";

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
 * @throws {SealpostError} `bad_setting`.
 */
export function createWorkerInstance(config: Config): WorkerInstance {
  if (config.tlsCa !== "") {
    log.warning("SEALPOST_TLS_CA has no effect: Workers verify mail servers against public authorities only");
  }
  const { databaseUrl: url, databaseToken, egress, egressPorts: ports, tokenSeconds, auditDays } = config;
  const ehloName = config.ehloName === "" ? NAMELESS : config.ehloName;
  const connect = createConnectByName({ egress, ports });
  const transport = createScopedTransport({ connect, ehloName, now: platform.now });
  const services = createServices(
    {
      database: openRemoteDatabase({ url, authToken: databaseToken.reveal() }),
      keyring: parseKeyring(config.keys.reveal()),
      transport,
      platform,
    },
    { tokenSeconds, auditDays, hostName: ehloName.startsWith("[") ? "localhost" : ehloName },
  );
  const app = createApp(services, {
    revealSecrets: config.secrets === "reveal",
    trustedProxies: [],
    // Cloudflare sets it and lets no client write it.
    clientAddress: (c) => canonicalIp(c.req.header("cf-connecting-ip") ?? ""),
  });
  const ready = createOnce(async () => {
    await services.start();
    await makeFirstAdmin(config, services);
  });
  return { app, services, transport, ready };
}

/** Without a password none is made: one that is invented would have to be printed into a log that is kept. */
async function makeFirstAdmin({ adminUser, adminPassword }: Config, { admins }: Services): Promise<void> {
  if ((await admins.list()).length > 0) return;
  if (adminPassword.isEmpty) {
    log.warning(
      "There is no admin yet: set the secret SEALPOST_ADMIN_PASSWORD and the next start makes the first",
    );
    return;
  }
  const made = await admins.makeFirst({ username: adminUser, realm: "" }, adminPassword);
  if (made) log.info("Made the first admin, {adminUser}", { adminUser });
}
