import type { Context } from "hono";
import { parseConfig } from "../../config.ts";
import { type HostDrivers, openLocalDrivers } from "../local/drivers.ts";
import { type LocalDriversOptions, settingsOf } from "../options.ts";

export type { HostDrivers } from "../local/drivers.ts";
export type { DriversOptions, LocalDriversOptions } from "../options.ts";

/**
 * Opens the drivers of a host app on Bun: a database, which is migrated, its keys, and SMTP.
 * @throws {SealpostError} `bad_setting` or `database_unavailable`, one line that says what to do.
 * @example
 * ```ts
 * const sealpost = createSealpost(await openDrivers({ databaseUrl: "file:data/sealpost.db" }));
 * ```
 */
export async function openDrivers(options: LocalDriversOptions = {}): Promise<HostDrivers> {
  return { ...(await openLocalDrivers(parseConfig(settingsOf(options)))), peerAddress };
}

/** `Bun.serve` passes its server as `env`; a host app may pass it as `env.server`. */
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
