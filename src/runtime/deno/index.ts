import type { Context } from "hono";
import type { LocalDriversOptions } from "../driver-options.ts";
import { type HostDrivers, openHostDrivers } from "../local/host-drivers.ts";

export type { DriversOptions, LocalDriversOptions } from "../driver-options.ts";
export type { HostDrivers } from "../local/host-drivers.ts";

/**
 * Opens the drivers of a host app on Deno: a database, which is migrated, its keys, and SMTP.
 * @throws {SealpostError} `bad_setting` or `database_unavailable`, one line that says what to do.
 * @example
 * ```ts
 * const sealpost = createSealpost(await openDrivers({ databaseUrl: "file:data/sealpost.db" }));
 * ```
 */
export function openDrivers(options: LocalDriversOptions = {}): Promise<HostDrivers> {
  return openHostDrivers(options, peerAddress);
}

/** `Deno.serve` passes what it knows of the connection. */
function peerAddress({ env }: Context): string | null {
  const remote: unknown = isObject(env) && "remoteAddr" in env ? env.remoteAddr : null;
  return isObject(remote) && "hostname" in remote && typeof remote.hostname === "string"
    ? remote.hostname
    : null;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
