import type { Context } from "hono";
import { parseConfig } from "../../config.ts";
import { type HostDrivers, openLocalDrivers } from "../local/drivers.ts";
import { type LocalDriversOptions, settingsOf } from "../options.ts";

export type { HostDrivers } from "../local/drivers.ts";
export type { DriversOptions, LocalDriversOptions } from "../options.ts";

/**
 * Opens the drivers of a host app on Node: a database, which is migrated, its keys, and SMTP.
 * @throws {SealpostError} `bad_setting` or `database_unavailable`, one line that says what to do.
 * @example
 * ```ts
 * const sealpost = createSealpost(await openDrivers({ databaseUrl: "file:data/sealpost.db" }));
 * ```
 */
export async function openDrivers(options: LocalDriversOptions = {}): Promise<HostDrivers> {
  return { ...(await openLocalDrivers(parseConfig(settingsOf(options)))), peerAddress };
}

/** `@hono/node-server` passes the request of Node as `env.incoming`. */
function peerAddress({ env }: Context): string | null {
  const incoming: unknown = isObject(env) && "incoming" in env ? env.incoming : null;
  const socket: unknown = isObject(incoming) && "socket" in incoming ? incoming.socket : null;
  return isObject(socket) && "remoteAddress" in socket && typeof socket.remoteAddress === "string"
    ? socket.remoteAddress
    : null;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
