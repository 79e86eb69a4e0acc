import { getLogger } from "@logtape/logtape";
import type { Context } from "hono";
import type { Config } from "../../config.ts";
import type { Wake } from "../../contracts/wake.ts";
import { canonicalIp } from "../../domain/network.ts";
import { type Keyring, parseKeyring } from "../../secrets/keyring.ts";
import type { Drivers } from "../../services.ts";
import { createConnectByName } from "../../transport/connect-by-name.ts";
import { createFetchClient } from "../../transport/fetch-client.ts";
import { createHttpConnect, httpPorts } from "../../transport/http-target.ts";
import { createCloudflareWake, type QueueProducer } from "../../wake/cloudflare.ts";
import type { InvocationDrains } from "../../work.ts";
import { invalidSetting } from "../invalid-setting.ts";
import { PLATFORM as platform } from "../platform.ts";
import type { DeliveryObjects } from "./deliver-in-object.ts";
import { TRANSPORT } from "./smtp.ts";
import { createWorkersTracer } from "./tracer.ts";
import type { ScopedTransport } from "./transport.ts";

const log = getLogger(["sealpost", "entry"]);

/** Sent in EHLO without a configured name (RFC 5321 4.1.4): the address that a Worker connects from is unknown. */
const NAMELESS = "[127.0.0.1]";
/** Cloudflare does not let Workers connect to it. */
const RELAY_PORT = 25;
/** The binding of the queue of wakes. */
export const QUEUE = "WAKES";
/** The binding of the Durable Objects. */
export const OBJECTS = "OBJECT";

/** The drivers of a Worker. */
export interface WorkerDrivers extends Drivers {
  readonly transport: ScopedTransport;
  readonly drains: InvocationDrains;
  /** Domain of a Message-ID if the sender address has none. */
  readonly hostName: string;
  readonly clientAddress: (c: Context) => string | null;
}

/** The drivers that differ between a Worker over a libSQL server and one with a Durable Object. */
export interface PlaceDrivers extends Pick<Drivers, "database" | "scrypt" | "maxHashes"> {
  /** Default: the keys of the settings. */
  readonly keyring?: Keyring;
  /** The binding of the queue of wakes. Default: none. */
  readonly queue?: unknown;
  /** Whether it is in a Durable Object, where connections outlive an invocation. Default: `false`. */
  readonly isObject?: boolean;
  /** The binding of the Durable Objects that send through stored definitions. Default: none. */
  readonly objects?: unknown;
}

/**
 * Creates the drivers of an instance on Workers, without I/O.
 * @throws {SealpostError} `bad_setting`.
 */
export function createWorkerDrivers(
  config: Config,
  { queue, isObject = false, objects, keyring, ...place }: PlaceDrivers,
): WorkerDrivers {
  assertTransport(config);
  const wake = wakeOf(config, queue);
  if (config.tlsCa !== "") {
    log.warning("SEALPOST_TLS_CA has no effect: Workers verify mail servers against public authorities only");
  }
  const { egress, egressPorts: ports } = config;
  const ehloName = ehloNameOf(config);
  const http = createFetchClient({ egress, ports });
  const byName = createConnectByName({ egress, ports: httpPorts(ports) });
  const connect = createHttpConnect({ connect: byName, egress, ports });
  const apis = { http, connect, now: platform.now };
  const senders = isObject ? undefined : objectsOf(config, objects);
  const transport = TRANSPORT.create({ egress, ports, ehloName, apis, isObject, objects: senders });
  return {
    ...place,
    keyring: keyring ?? parseKeyring(config.keys.reveal()),
    transport,
    http,
    blockedPorts: [RELAY_PORT],
    egress: { egress, ports },
    drains: { ...drainsOf(transport), isShared: isObject },
    ...(wake && { wake }),
    platform,
    tracer: createWorkersTracer(),
    hostName: ehloName.startsWith("[") ? "localhost" : ehloName,
    // Cloudflare sets this header and overwrites the one of a client.
    clientAddress: (c) => canonicalIp(c.req.header("cf-connecting-ip") ?? ""),
  };
}

/** Returns the name to send in EHLO. */
export function ehloNameOf({ ehloName }: Config): string {
  return ehloName === "" ? NAMELESS : ehloName;
}

/** @returns `undefined` if invocations send. */
function objectsOf({ pool, transport }: Config, objects: unknown): DeliveryObjects | undefined {
  if (pool === "invocation") return undefined;
  if (transport !== "smtp") {
    throw invalidSetting("SEALPOST_POOL", "SEALPOST_POOL: object needs SEALPOST_TRANSPORT=smtp");
  }
  if (isNamespace(objects)) return objects;
  const message = `SEALPOST_POOL: object needs a Durable Object bound as ${OBJECTS}; see wrangler.jsonc`;
  throw invalidSetting("SEALPOST_POOL", message);
}

function isNamespace(value: unknown): value is DeliveryObjects {
  return typeof value === "object" && value !== null && "getByName" in value;
}

function drainsOf(transport: ScopedTransport): InvocationDrains {
  return {
    afterwards: transport.afterResponse,
    async within(timeMs, drain) {
      const { result, end } = transport.run(() => transport.drainNow(drain), timeMs);
      await end;
      return result;
    },
  };
}

/** `null` for `poll`: the invocation that queues a message sends it, and the cron trigger finds what is left. */
function wakeOf({ wake }: Config, queue: unknown): Wake | null {
  if (wake === "poll") return null;
  if (wake === "bullmq") {
    const message =
      "SEALPOST_WAKE: bullmq needs lasting connections, which Workers do not have; expected poll or cloudflare";
    throw invalidSetting("SEALPOST_WAKE", message);
  }
  if (isProducer(queue)) return createCloudflareWake({ queue, now: platform.now });
  const message = `SEALPOST_WAKE: cloudflare needs a queue bound as ${QUEUE}; see wrangler.jsonc`;
  throw invalidSetting("SEALPOST_WAKE", message);
}

function isProducer(value: unknown): value is QueueProducer {
  return typeof value === "object" && value !== null && "sendBatch" in value;
}

/** The build chooses the transport, so that the Worker contains no other. The setting must match. */
function assertTransport({ transport }: Config): void {
  if (transport === TRANSPORT.name) return;
  throw invalidSetting(
    "SEALPOST_TRANSPORT",
    `SEALPOST_TRANSPORT: this Worker is built with ${TRANSPORT.name}; for ${transport}, build it with SEALPOST_TRANSPORT=${transport}`,
  );
}
