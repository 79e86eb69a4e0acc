import type { RekeyResult } from "./access/rekey.ts";
import { type AppSettings, createApp, type SealpostApp } from "./app.ts";
import { parseConfig } from "./config.ts";
import { asciiHostName } from "./domain/host-name.ts";
import { type CidrBlock, parseCidr } from "./domain/network.ts";
import { Secret } from "./domain/secret.ts";
import { SealpostError } from "./errors.ts";
import type { Submit } from "./mail/submission.ts";
import { createServices, type Drivers, type InstanceSettings, type Services } from "./services.ts";

/** Drivers, and settings whose defaults are those of the server. */
export interface SealpostOptions
  extends Drivers,
    Partial<Omit<InstanceSettings, "trustedClients">>,
    Partial<Omit<AppSettings, "trustedProxies">> {
  /** IP addresses or CIDR blocks whose `X-Forwarded-For` counts; default: none. */
  readonly trustedProxies?: readonly string[];
  /** IP addresses or CIDR blocks of clients that limits by address are not for, such as a RADIUS server. */
  readonly trustedClients?: readonly string[];
  /**
   * Whether this process sends queued mail; default: yes, but on Workers, where the event that queued it does. Without
   * it another process has to, or {@link Sealpost.drain}.
   */
  readonly worker?: boolean;
}

/** How long {@link Sealpost.drain} may take. */
export interface DrainLimits {
  /** No mail is begun that may not end within this time, in milliseconds; default: 15 minutes, as a cron trigger has. */
  readonly timeMs?: number;
  /** Aborted: no more mails are begun. */
  readonly signal?: AbortSignal;
}

/** As long as a mail may take on Workers. */
const MAIL_MS = 20_000;
const DRAIN_MS = 15 * 60_000;
/** Mails have this long to end by themselves when an instance is disposed of. */
const CUT_MAIL_AFTER_MS = 7_000;

/** One instance: its HTTP interface and its way to send mail. */
export interface Sealpost extends AsyncDisposable {
  /** To be mounted: `host.route("/mail", sealpost.app)`. */
  readonly app: SealpostApp;
  /** Sends a mail through a definition; what became of it is in the result. */
  readonly submit: Submit;
  /**
   * Migrates the database and checks the keys, then begins to send queued mail, unless `worker` is false; before the
   * first request. Doing it again changes nothing.
   */
  start(): Promise<void>;
  /**
   * Makes an admin if there is none yet; several processes may try at once.
   * @returns whether this one did.
   * @throws {TypeError} for an empty name or password.
   */
  makeFirstAdmin(admin: { readonly username: string; readonly password: string }): Promise<boolean>;
  /** Seals every secret with the first key, after which the others may go; may be interrupted and run again. */
  rekey(): Promise<RekeyResult>;
  /**
   * Sends the queued mail that is due, where no worker runs: on Workers by a cron trigger, each minute. Several may run
   * at the same time, anywhere. Resolves when nothing is due any more, or no time is left.
   */
  drain(limits?: DrainLimits): Promise<void>;
  /** Deletes audit rows, and mails that have ended, that have been kept for long enough; meant for once a day. */
  prune(): Promise<void>;
  /** Begins no more mails, lets those in flight end for some seconds, then closes the connections. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Builds an instance without any I/O.
 * @throws {SealpostError} `bad_setting` for a trusted proxy or client that is no address, for a `hostName` that is none,
 * and for plugins whose options are wrong or that do not go together; one line with everything.
 */
export function createSealpost(options: SealpostOptions): Sealpost {
  const defaults = parseConfig({});
  const { tokenSeconds = defaults.tokenSeconds, auditDays = defaults.auditDays } = options;
  const { mailDays = defaults.mailDays } = options;
  const { revealSecrets = defaults.secrets === "reveal" } = options;
  const hostName = messageIdDomain(options.hostName ?? "localhost");
  const trustedProxies = addressBlocks("trustedProxies", options);
  const trustedClients = addressBlocks("trustedClients", options);
  const services = createServices(options, {
    ...options,
    ...{ tokenSeconds, auditDays, mailDays, hostName, trustedClients },
  });
  const app = createApp(services, { ...options, revealSecrets, trustedProxies });
  const work = createWork(services, options);
  return {
    app,
    submit: services.submit,
    async start() {
      await services.start();
      services.plugins.warnOfMissing();
      work.begin();
    },
    async makeFirstAdmin({ username, password }) {
      if (!username || !password) throw new TypeError("An admin needs a name and a password");
      // Spares the second that a hash may take.
      if ((await services.admins.list()).length > 0) return false;
      return services.admins.makeFirst({ username, realm: "" }, new Secret(password));
    },
    rekey: services.rekey,
    async drain({ timeMs = DRAIN_MS, signal } = {}) {
      if (options.drains)
        return options.drains.within(timeMs, (bounds) =>
          services.drain({ ...bounds, ...(signal && { signal }) }),
        );
      const endsMs = performance.now() + timeMs;
      await services.drain({ signal: signal ?? new AbortController().signal, endsMs, mailMs: MAIL_MS });
    },
    prune: services.prune,
    async [Symbol.asyncDispose]() {
      await work.end();
      await services[Symbol.asyncDispose]();
    },
  };
}

/** The worker of this process. */
function createWork(services: Services, { worker = true, cutMail, mailCut }: SealpostOptions) {
  // Not made before: it would belong to no event of a Worker.
  let stop: AbortController | null = null;
  let working: Promise<void> | null = null;
  return {
    begin() {
      if (!worker || working) return;
      stop = new AbortController();
      working = services.work(stop.signal, mailCut);
    },
    async end() {
      stop?.abort();
      const cutting = cutMail && setTimeout(cutMail, CUT_MAIL_AFTER_MS);
      await working;
      clearTimeout(cutting);
    },
  };
}

function messageIdDomain(hostName: string): string {
  const domain = asciiHostName(hostName);
  if (domain !== null) return domain;
  const message = `"hostName": expected a host name, got ${JSON.stringify(hostName)}`;
  throw new SealpostError("bad_setting", message, { parameter: "hostName" });
}

function addressBlocks(name: "trustedProxies" | "trustedClients", options: SealpostOptions): CidrBlock[] {
  return (options[name] ?? []).map((text) => {
    const block = parseCidr(text);
    if (block) return block;
    const message = `"${name}": no IP address or CIDR block: ${text}`;
    throw new SealpostError("bad_setting", message, { parameter: name });
  });
}
