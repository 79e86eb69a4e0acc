import type { RekeyResult } from "./access/rekey.ts";
import { type AppSettings, createApp, createFetch, createRoutes, type SealpostApp } from "./app.ts";
import { parseConfig } from "./config.ts";
import { asciiHostName, type CidrBlock, parseCidr } from "./domain/network.ts";
import { Secret } from "./domain/secret.ts";
import { SealpostError } from "./errors.ts";
import type { Submit } from "./mail/submission.ts";
import { createServices, type Drivers, type InstanceSettings, type Services } from "./services.ts";
import { type Operator, requireOperator } from "./wire/guard.ts";

/** Drivers, and settings that default to those of the server. */
export interface SealpostOptions
  extends Drivers,
    Partial<Omit<InstanceSettings, "trustedClients">>,
    Partial<Omit<AppSettings, "trustedProxies">> {
  /** IP addresses or CIDR blocks of proxies whose `X-Forwarded-For` is trusted. Default: none. */
  readonly trustedProxies?: readonly string[];
  /** IP addresses or CIDR blocks of clients exempt from per-address rate limits, such as a RADIUS server. */
  readonly trustedClients?: readonly string[];
  /**
   * Whether this process sends queued mail. Default: `true`. On Workers the invocation that queues mail sends it. With
   * `false`, another process has to send it, or {@link Sealpost.drain}.
   */
  readonly worker?: boolean;
}

/** Bounds of {@link Sealpost.drain}. */
export interface DrainOptions {
  /** No delivery starts that may not end within this time, in milliseconds. Default: 15 minutes, as a cron trigger has. */
  readonly timeMs?: number;
  /** After it is aborted, no more deliveries start. */
  readonly signal?: AbortSignal;
}

/** One instance: its HTTP interface, and its functions for the host app. */
export interface Sealpost extends AsyncDisposable {
  /** The HTTP interface, for a host app to mount: `host.route("/mail", sealpost.app)`. */
  readonly app: SealpostApp;
  /** Sends a message through a definition. The result has the outcome. */
  readonly submit: Submit;
  /**
   * Migrates the database, checks the keys, and starts the queue worker unless `worker` is `false`. Call it before the
   * first request. A second call changes nothing.
   */
  start(): Promise<void>;
  /**
   * Creates an admin if there is none yet. If several processes call it, one of them creates the admin.
   * @returns whether this call created the admin.
   * @throws {TypeError} for an empty name or password.
   * @throws {SealpostError} `invalid_parameter` for a password that is not allowed.
   */
  makeFirstAdmin(admin: { readonly username: string; readonly password: string }): Promise<boolean>;
  /**
   * Re-encrypts every secret with the first key, after which the other keys can be removed. It can be interrupted and
   * run again.
   */
  rekey(): Promise<RekeyResult>;
  /**
   * Sends the queued mail that is due, where no worker runs: on Workers by a cron trigger each minute. Several drains
   * may run at the same time, anywhere. Resolves when nothing is due, or no time is left.
   */
  drain(options?: DrainOptions): Promise<void>;
  /** Deletes audit rows and final messages past their retention. Call it once a day. */
  prune(): Promise<void>;
  /** Stops the worker, gives deliveries in flight some seconds to end, then closes all connections. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The inside of an instance: for the server, the Worker, the command line and tests. The package does not export it. */
interface SealpostInternals {
  readonly services: Services;
  /**
   * Migrates the database and checks the keys, without starting the worker.
   * @param beforePlugins runs after the migrations, before plugins start.
   */
  prepare(beforePlugins?: () => Promise<void>): Promise<void>;
  /**
   * Starts the worker of this process, once.
   * @returns a promise that settles when the worker ends: at shutdown, or when it cannot work.
   */
  startWorker(): Promise<void>;
  /** Returns the HTTP interface with all routes. */
  app(): SealpostApp;
  /** Handles a request of a Worker, whose start is faster without such an app. */
  fetch(request: Request): Response | Promise<Response>;
  /** Creates the HTTP interface for the operator, who has every right. It triggers no event handlers. */
  operatorApp(operator: Operator): SealpostApp;
  /** Disposes of the instance once `inFlight` has settled too; its deliveries are bounded like those of the worker. */
  shutdown(inFlight: Promise<unknown>): Promise<void>;
}

/** Bound of one message on Workers. */
const MESSAGE_TIMEOUT_MS = 20_000;
const DRAIN_MS = 15 * 60_000;
/** Deliveries have this long to end by themselves at shutdown. Then they are aborted, and their outcome is recorded. */
const ABORT_DELIVERIES_AFTER_MS = 7_000;

const internals = new WeakMap<Sealpost, SealpostInternals>();

/** Returns the inside of an instance. @throws {TypeError} for an object that `createSealpost` did not create. */
export function internalsOf(sealpost: Sealpost): SealpostInternals {
  const inside = internals.get(sealpost);
  if (inside === undefined) throw new TypeError("createSealpost() did not create this instance");
  return inside;
}

/**
 * Creates an instance without any I/O.
 * @throws {SealpostError} `bad_setting` for a trusted proxy or client that is not an address, for an invalid `hostName`,
 * and for plugins with invalid options or that do not fit together; one line that lists everything.
 * @example
 * ```ts
 * const sealpost = createSealpost(await openDrivers({ databaseUrl: "file:data/sealpost.db" }));
 * await sealpost.start();
 * await sealpost.makeFirstAdmin({ username: "admin", password });
 * host.route("/mail", sealpost.app);
 * ```
 */
export function createSealpost(options: SealpostOptions): Sealpost {
  const services = createServices(options, settingsOf(options));
  const inside = createInternals(services, options);
  const sealpost: Sealpost = {
    get app() {
      return inside.app();
    },
    submit: services.submit,
    async start() {
      await inside.prepare();
      services.plugins.warnOfMissing();
      if (options.worker ?? true) void inside.startWorker();
    },
    async makeFirstAdmin({ username, password }) {
      if (!username || !password) throw new TypeError("An admin needs a name and a password");
      // Saves the second that hashing a password may take.
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
      await services.drain({
        signal: signal ?? new AbortController().signal,
        endsMs,
        messageTimeoutMs: MESSAGE_TIMEOUT_MS,
      });
    },
    prune: services.prune,
    [Symbol.asyncDispose]: () => inside.shutdown(Promise.resolve()),
  };
  internals.set(sealpost, inside);
  return sealpost;
}

/** The life of an instance in its process: prepared, working, shut down. */
function createInternals(services: Services, options: SealpostOptions): SealpostInternals {
  const { abortDeliveries, deliveriesAborted } = options;
  const deps = { ...services, ...appSettingsOf(options) };
  const routes = createRoutes(deps);
  let app: SealpostApp | null = null;
  let isPrepared = false;
  // Created on start: earlier it would belong to no invocation of a Worker.
  let stop: AbortController | null = null;
  let working = Promise.resolve();
  return {
    services,
    app: () => (app ??= createApp(routes, deps)),
    fetch: createFetch(routes, deps),
    async prepare(beforePlugins) {
      if (isPrepared) return;
      await services.start(beforePlugins);
      isPrepared = true;
    },
    startWorker() {
      if (!stop) {
        stop = new AbortController();
        working = services.work(stop.signal, deliveriesAborted);
      }
      return working;
    },
    operatorApp(operator) {
      const settings = { revealSecrets: false, trustedProxies: [], isOperator: true };
      const operatorDeps = { ...services, ...settings, requireRight: requireOperator(operator) };
      return createApp(createRoutes(operatorDeps), operatorDeps);
    },
    async shutdown(inFlight) {
      stop?.abort();
      const aborting = abortDeliveries && setTimeout(abortDeliveries, ABORT_DELIVERIES_AFTER_MS);
      try {
        await inFlight;
        await working;
        await services[Symbol.asyncDispose]();
      } finally {
        clearTimeout(aborting);
      }
    },
  };
}

function settingsOf(options: SealpostOptions): InstanceSettings {
  // Only for options that are missing: a server and a Worker have read their settings, and a start waits for this.
  const defaults = () => parseConfig({});
  const { tokenSeconds = defaults().tokenSeconds, auditDays = defaults().auditDays } = options;
  const { mailDays = defaults().mailDays } = options;
  const hostName = messageIdDomain(options.hostName ?? "localhost");
  const trustedClients = cidrBlocks("trustedClients", options);
  return { ...options, tokenSeconds, auditDays, mailDays, hostName, trustedClients };
}

function appSettingsOf(options: SealpostOptions): AppSettings {
  const { needsAdmin = false, ui = false, readPageFiles, peerAddress, clientAddress } = options;
  const { revealSecrets = parseConfig({}).secrets === "reveal" } = options;
  const trustedProxies = cidrBlocks("trustedProxies", options);
  return { needsAdmin, ui, readPageFiles, peerAddress, clientAddress, revealSecrets, trustedProxies };
}

function messageIdDomain(hostName: string): string {
  const domain = asciiHostName(hostName);
  if (domain !== null) return domain;
  const message = `"hostName": expected a host name, got ${JSON.stringify(hostName)}`;
  throw new SealpostError("bad_setting", message, { parameter: "hostName" });
}

function cidrBlocks(name: "trustedProxies" | "trustedClients", options: SealpostOptions): CidrBlock[] {
  return (options[name] ?? []).map((text) => {
    const block = parseCidr(text);
    if (block) return block;
    const message = `"${name}": expected an IP address or a CIDR block, got ${text}`;
    throw new SealpostError("bad_setting", message, { parameter: name });
  });
}
