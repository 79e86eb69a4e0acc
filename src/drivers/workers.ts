import type { Transport } from "../contracts/transport.ts";
import { parseBindings } from "../entry/workers-config.ts";
import { createWorkerDrivers, type WorkerDrivers } from "../entry/workers-drivers.ts";
import { REQUEST_MS, type ScopedTransport } from "../entry/workers-transport.ts";
import { type DriversOptions, settingsOf } from "./options.ts";

export { createOnce } from "../entry/workers-once.ts";
export type { DriversOptions } from "./options.ts";

/** What `createSealpost` takes on Cloudflare Workers. */
export interface HostDrivers extends Omit<WorkerDrivers, "transport"> {
  readonly transport: Transport;
}

/**
 * Makes the drivers of a host app on Cloudflare Workers, without I/O: a libSQL server over HTTP, and SMTP by a
 * connection of its own for each mail, since a socket belongs to the request that opened it. `databaseUrl` and `keys`
 * are needed.
 * @throws {SealpostError} `bad_setting`, one line that names what is missing or wrong.
 * @example
 * ```ts
 * const sealpost = createSealpost(createDrivers({ databaseUrl: env.DATABASE_URL, keys: env.SEALPOST_KEYS }));
 * const ready = createOnce(() => sealpost.start()); // to be awaited by every request
 * ```
 */
export function createDrivers(options: DriversOptions): HostDrivers {
  const { transport, ...drivers } = createWorkerDrivers(parseBindings(settingsOf(options)));
  return { ...drivers, transport: perMail(transport) };
}

/** Each mail is an event of its own: the host's events are not ours to know. */
function perMail(transport: ScopedTransport): Transport {
  return {
    name: transport.name,
    async send(delivery, options) {
      const { result, end } = transport.run(() => transport.send(delivery, options), REQUEST_MS);
      await end;
      return result;
    },
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}
