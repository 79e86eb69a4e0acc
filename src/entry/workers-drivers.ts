import { getLogger } from "@logtape/logtape";
import type { Context } from "hono";
import type { Config } from "../config.ts";
import { canonicalIp } from "../domain/network.ts";
import { parseKeyring } from "../secrets/keyring.ts";
import type { Drivers } from "../services.ts";
import { openRemoteDatabase } from "../storage/remote.ts";
import { badSetting } from "./bad-setting.ts";
import { PLATFORM as platform } from "./platform.ts";
import { TRANSPORT } from "./workers-smtp.ts";
import type { ScopedTransport } from "./workers-transport.ts";

const log = getLogger(["sealpost", "entry"]);

/** Said in EHLO by who knows no name of his own (RFC 5321 4.1.4); the address that a Worker calls from is unknown. */
const NAMELESS = "[127.0.0.1]";

/** The drivers of a Worker. */
export interface WorkerDrivers extends Drivers {
  readonly transport: ScopedTransport;
  /** Domain of a Message-ID when the sender has none. */
  readonly hostName: string;
  readonly clientAddress: (c: Context) => string | null;
}

/** Makes what an instance on Workers works with, without I/O. @throws {SealpostError} `bad_setting`. */
export function createWorkerDrivers(config: Config): WorkerDrivers {
  requireTransport(config);
  if (config.tlsCa !== "") {
    log.warning("SEALPOST_TLS_CA has no effect: Workers verify mail servers against public authorities only");
  }
  const { databaseUrl: url, databaseToken, egress, egressPorts: ports } = config;
  const ehloName = config.ehloName === "" ? NAMELESS : config.ehloName;
  return {
    database: openRemoteDatabase({ url, authToken: databaseToken.reveal() }),
    keyring: parseKeyring(config.keys.reveal()),
    transport: TRANSPORT.make({ egress, ports, ehloName }),
    platform,
    hostName: ehloName.startsWith("[") ? "localhost" : ehloName,
    // Cloudflare sets it and lets no client write it.
    clientAddress: (c) => canonicalIp(c.req.header("cf-connecting-ip") ?? ""),
  };
}

/** The transport is chosen when the Worker is built, so that it carries no other; the setting has to say the same. */
function requireTransport({ transport }: Config): void {
  if (transport === TRANSPORT.name) return;
  throw badSetting(
    "SEALPOST_TRANSPORT",
    `SEALPOST_TRANSPORT: this Worker is built with ${TRANSPORT.name}; to have ${transport}, build it with SEALPOST_TRANSPORT=${transport}`,
  );
}
