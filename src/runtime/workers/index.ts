import type { Transport } from "../../contracts/transport.ts";
import type { InvocationDrains } from "../../services.ts";
import type { QueueProducer } from "../../wake/cloudflare.ts";
import { type DriversOptions, settingsOf } from "../options.ts";
import { parseBindings } from "./bindings.ts";
import { createWorkerDrivers, type WorkerDrivers } from "./drivers.ts";
import { REQUEST_MS, type ScopedTransport } from "./transport.ts";

export { consumeWakes, type QueueBatch, type QueueProducer } from "../../wake/cloudflare.ts";
export type { DriversOptions } from "../options.ts";
export { createOnce } from "./once.ts";

/** {@link DriversOptions} of a Worker. */
export interface WorkerDriversOptions extends DriversOptions {
  /** The binding of a queue, to be told of queued mail; default: the event that queued it sends it. */
  readonly queue?: QueueProducer | undefined;
}

/** What `createSealpost` takes on Cloudflare Workers. */
export interface HostDrivers extends Omit<WorkerDrivers, "transport"> {
  readonly transport: Transport;
}

/**
 * Makes the drivers of a host app on Cloudflare Workers, without I/O: a libSQL server over HTTP, and SMTP by a
 * connection of its own for each mail, since a socket belongs to the request that opened it. Queued mail goes on
 * when the request that queued it is answered; what is left then, retries among it, is `sealpost.drain()`'s, by a cron
 * trigger. `databaseUrl` and `keys` are needed.
 * @throws {SealpostError} `bad_setting`, one line that names what is missing or wrong.
 * @example
 * ```ts
 * const sealpost = createSealpost(createDrivers({ databaseUrl: env.DATABASE_URL, keys: env.SEALPOST_KEYS }));
 * const ready = createOnce(() => sealpost.start()); // to be awaited by every request
 * ```
 */
export function createDrivers(options: WorkerDriversOptions): HostDrivers {
  const settings = { ...settingsOf(options), ...(options.queue && { SEALPOST_WAKE: "cloudflare" }) };
  const { transport, drains, ...drivers } = createWorkerDrivers(
    parseBindings(settings),
    options.queue,
    // Where no event is under way, nothing is cut off with it.
    (work) => void keepAlive(work).catch(() => undefined),
  );
  return {
    ...drivers,
    transport: perMail(transport),
    drains: { ...drains, afterwards: waitingUntil(drains) },
  };
}

function waitingUntil({ within }: InvocationDrains): InvocationDrains["afterwards"] {
  return (drain) => keepAlive(within(REQUEST_MS, drain));
}

/** The runtime knows the event that is under way, which the host need not pass on. */
async function keepAlive(work: Promise<unknown>): Promise<void> {
  const { waitUntil } = await import("cloudflare:workers");
  waitUntil(work);
}

/** A mail is an event of its own, unless it is part of a drain: the host's events are not ours to know. */
function perMail(transport: ScopedTransport): Transport {
  return {
    name: transport.name,
    async send(delivery, options) {
      if (transport.isInInvocation) return transport.send(delivery, options);
      const { result, end } = transport.run(() => transport.send(delivery, options), REQUEST_MS);
      await end;
      return result;
    },
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}
