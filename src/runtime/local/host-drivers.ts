import type { Context } from "hono";
import { parseConfig } from "../../config.ts";
import type { Drivers } from "../../services.ts";
import { type LocalDriversOptions, settingsOf } from "../driver-options.ts";
import { openLocalDrivers } from "./drivers.ts";

/** What `createSealpost` takes from a runtime with files and sockets. */
export interface HostDrivers extends Drivers {
  /** Domain of a Message-ID when the sender has none. */
  readonly hostName: string;
  /** Address of the other end of the connection that a request came by; null if it came by none. */
  readonly peerAddress: (c: Context) => string | null;
}

/** @throws {SealpostError} `bad_setting` or `database_unavailable`, one line that says what to do. */
export async function openHostDrivers(
  options: LocalDriversOptions,
  peerAddress: HostDrivers["peerAddress"],
): Promise<HostDrivers> {
  const drivers = await openLocalDrivers(parseConfig(settingsOf(options)));
  return { ...drivers, peerAddress };
}
