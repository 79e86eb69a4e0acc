import type { Context } from "hono";
import type { LocalDriversOptions } from "../driver-options.ts";
import { type HostDrivers, openHostDrivers } from "../local/host-drivers.ts";

export type { DriversOptions, LocalDriversOptions } from "../driver-options.ts";
export type { HostDrivers } from "../local/host-drivers.ts";

/**
 * Opens the drivers of a host app on Bun: a database, which is migrated, its keys, and SMTP.
 * @throws {SealpostError} `bad_setting` or `database_unavailable`, one line that says what to do.
 * @example
 * ```ts
 * const sealpost = createSealpost(await openDrivers({ databaseUrl: "file:data/sealpost.db" }));
 * ```
 */
export function openDrivers(options: LocalDriversOptions = {}): Promise<HostDrivers> {
  return openHostDrivers(options, peerAddress);
}

/** `Bun.serve` passes its server, alone or beside what is the host's own. */
function peerAddress({ env, req }: Context): string | null {
  const server: unknown = isObject(env) && "server" in env ? env.server : env;
  return isBunServer(server) ? (server.requestIP(req.raw)?.address ?? null) : null;
}

function isBunServer(value: unknown): value is Pick<Bun.Server<unknown>, "requestIP"> {
  return isObject(value) && "requestIP" in value && typeof value.requestIP === "function";
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
