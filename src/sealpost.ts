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
    Partial<Omit<InstanceSettings, "trustedClients">>,
    Partial<Omit<AppSettings, "trustedProxies">> {
  /** IP addresses or CIDR blocks whose `X-Forwarded-For` counts; default: none. */
  readonly trustedProxies?: readonly string[];
  /** IP addresses or CIDR blocks of clients that limits by address are not for, such as a RADIUS server. */
  readonly trustedClients?: readonly string[];
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
 * @throws {SealpostError} `bad_setting` for a trusted proxy or client that is no address, and for plugins whose options
 * are wrong or that do not go together; one line with everything.
 */
export function createSealpost(options: SealpostOptions): Sealpost {
  const defaults = parseConfig({});
  const { tokenSeconds = defaults.tokenSeconds, auditDays = defaults.auditDays } = options;
  const { mailDays = defaults.mailDays } = options;
  const { hostName = "localhost", revealSecrets = defaults.secrets === "reveal" } = options;
  const trustedProxies = addressBlocks("trustedProxies", options);
  const trustedClients = addressBlocks("trustedClients", options);
  const services = createServices(options, {
    ...options,
    ...{ tokenSeconds, auditDays, mailDays, hostName, trustedClients },
  });
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

function addressBlocks(name: "trustedProxies" | "trustedClients", options: SealpostOptions): AddressBlock[] {
  return (options[name] ?? []).map((text) => {
    const block = parseAddressBlock(text);
    if (block) return block;
    const message = `"${name}": no IP address or CIDR block: ${text}`;
    throw new SealpostError("bad_setting", message, { parameter: name });
  });
}
