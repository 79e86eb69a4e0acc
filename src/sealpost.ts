import type { RekeyResult } from "./access/rekey.ts";
import { type AppSettings, createApp, type SealpostApp } from "./app.ts";
import { parseConfig } from "./config.ts";
import { type AddressBlock, parseAddressBlock } from "./domain/network.ts";
import { Secret } from "./domain/secret.ts";
import { SealpostError } from "./errors.ts";
import type { Submit } from "./mail/submit.ts";
import { createServices, type Drivers, type InstanceSettings } from "./services.ts";

/** Drivers, and settings whose defaults are those of the server. */
export interface SealpostOptions
  extends Drivers,
    Partial<InstanceSettings>,
    Partial<Omit<AppSettings, "trustedProxies">> {
  /** IP addresses or CIDR blocks whose `X-Forwarded-For` counts; default: none. */
  readonly trustedProxies?: readonly string[];
}

/** One instance: its HTTP interface and its way to send mail. */
export interface Sealpost extends AsyncDisposable {
  /** To be mounted: `host.route("/mail", sealpost.app)`. */
  readonly app: SealpostApp;
  /** Sends a mail through a definition; what became of it is in the result. */
  readonly submit: Submit;
  /** Migrates the database and checks the keys; before the first request. Doing it again changes nothing. */
  start(): Promise<void>;
  /**
   * Makes an admin if there is none yet; several processes may try at once.
   * @returns whether this one did.
   * @throws {TypeError} for an empty name or password.
   */
  makeFirstAdmin(admin: { readonly username: string; readonly password: string }): Promise<boolean>;
  /** Seals every secret with the first key, after which the others may go; may be interrupted and run again. */
  rekey(): Promise<RekeyResult>;
  /** Deletes audit rows that have been kept for long enough; meant for once a day. */
  prune(): Promise<void>;
  /** Ends what is in flight, then closes the connections. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Builds an instance without any I/O.
 * @throws {SealpostError} `bad_setting` for a trusted proxy that is no address.
 */
export function createSealpost(options: SealpostOptions): Sealpost {
  const defaults = parseConfig({});
  const { tokenSeconds = defaults.tokenSeconds, auditDays = defaults.auditDays } = options;
  const { hostName = "localhost", revealSecrets = defaults.secrets === "reveal" } = options;
  const services = createServices(options, { ...options, tokenSeconds, auditDays, hostName });
  const trustedProxies = (options.trustedProxies ?? []).map(proxy);
  const app = createApp(services, { ...options, revealSecrets, trustedProxies });
  return {
    app,
    submit: services.submit,
    start: services.start,
    async makeFirstAdmin({ username, password }) {
      if (!username || !password) throw new TypeError("An admin needs a name and a password");
      // Spares the second that a hash may take.
      if ((await services.admins.list()).length > 0) return false;
      return services.admins.makeFirst({ username, realm: "" }, new Secret(password));
    },
    rekey: services.rekey,
    prune: services.prune,
    [Symbol.asyncDispose]: services[Symbol.asyncDispose],
  };
}

function proxy(text: string): AddressBlock {
  const block = parseAddressBlock(text);
  if (block) return block;
  throw new SealpostError("bad_setting", `"trustedProxies": no IP address or CIDR block: ${text}`, {
    parameter: "trustedProxies",
  });
}
