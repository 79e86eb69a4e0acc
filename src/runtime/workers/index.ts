import type { JointTransport } from "../../contracts/transport.ts";
import type { Receipt } from "../../domain/delivery.ts";
import { openRemoteDatabase } from "../../storage/remote/connect.ts";
import type { QueueProducer } from "../../wake/cloudflare.ts";
import type { InvocationDrains } from "../../work.ts";
import { type DriversOptions, settingsOf } from "../options.ts";
import { parseBindings } from "./bindings.ts";
import { createWorkerDrivers, type WorkerDrivers } from "./drivers.ts";
import { REQUEST_MS, type ScopedTransport } from "./transport.ts";

export { consumeWakes, type QueueBatch, type QueueProducer } from "../../wake/cloudflare.ts";
export type { DriversOptions } from "../options.ts";
export { createOnce } from "./once.ts";

/** {@link DriversOptions} of a Worker. */
export interface WorkerDriversOptions extends DriversOptions {
  /** The binding of a queue that receives wakes. Default: none; the invocation that queues mail sends it. */
  readonly queue?: QueueProducer | undefined;
}

/** The drivers of Cloudflare Workers, for `createSealpost`. */
export interface HostDrivers extends Omit<WorkerDrivers, "transport"> {
  readonly transport: JointTransport;
}

/**
 * Creates the drivers of a host app on Cloudflare Workers, without I/O: a libSQL server over HTTP, and SMTP with one
 * connection per message, because a socket belongs to the request that opened it. Queued mail is sent after the response
 * to the request that queued it. `sealpost.drain()`, called by a cron trigger, sends the rest, retries included.
 * `databaseUrl` and `keys` are required.
 * @throws {SealpostError} `bad_setting`, one line that names the missing or invalid option.
 * @example
 * ```ts
 * const sealpost = createSealpost(createDrivers({ databaseUrl: env.DATABASE_URL, keys: env.SEALPOST_KEYS }));
 * const ready = createOnce(() => sealpost.start()); // every request awaits ready()
 * ```
 */
export function createDrivers(options: WorkerDriversOptions): HostDrivers {
  const settings = { ...settingsOf(options), ...(options.queue && { SEALPOST_WAKE: "cloudflare" }) };
  const config = parseBindings(settings);
  const { transport, drains, ...drivers } = createWorkerDrivers(config, {
    database: openRemoteDatabase({
      url: config.databaseUrl,
      authToken: config.databaseToken.reveal(),
      // Outside an invocation there is nothing to keep alive.
      keepAlive: (work) => void keepAlive(work).catch(() => undefined),
    }),
    queue: options.queue,
  });
  return {
    ...drivers,
    transport: scopeDeliveries(transport),
    drains: { ...drains, afterwards: waitingUntil(drains) },
  };
}

function waitingUntil({ within }: InvocationDrains): InvocationDrains["afterwards"] {
  return (drain) => keepAlive(within(REQUEST_MS, drain));
}

/** The runtime knows the current invocation, so the host need not pass it on. */
async function keepAlive(work: Promise<unknown>): Promise<void> {
  const { waitUntil } = await import("cloudflare:workers");
  waitUntil(work);
}

/** Runs each delivery in a scope of its own, unless a drain has one: the host's invocations are unknown here. */
function scopeDeliveries(transport: ScopedTransport): JointTransport {
  const inScope = async (send: () => Promise<Receipt>): Promise<Receipt> => {
    if (transport.isInInvocation) return send();
    const { result, end } = transport.run(send, REQUEST_MS);
    await end;
    return result;
  };
  return {
    name: transport.name,
    sendsJointly: transport.sendsJointly,
    send: (delivery, options) => inScope(() => transport.send(delivery, options)),
    sendJointly: (delivery, options) => inScope(() => transport.sendJointly(delivery, options)),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}
