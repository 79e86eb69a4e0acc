import { getLogger } from "@logtape/logtape";
import { HashPool } from "./access/hash-pool.ts";
import { createInstanceSecrets, type InstanceSecrets } from "./access/instance-secrets.ts";
import { createPasswords } from "./access/passwords.ts";
import { type RekeyResult, rekey } from "./access/rekey.ts";
import { createReroutes } from "./access/reroutes.ts";
import { type AccessServices, createAccessServices } from "./access/services.ts";
import type { Database } from "./contracts/database.ts";
import type { HttpClient } from "./contracts/http-client.ts";
import type { PasswordCost, Platform, Scrypt } from "./contracts/platform.ts";
import type { Plugin } from "./contracts/plugin/definition.ts";
import type { Transport } from "./contracts/transport.ts";
import type { Wake, WakeSource } from "./contracts/wake.ts";
import type { AuditActor } from "./domain/audit.ts";
import type { TargetLimits } from "./domain/endpoint.ts";
import type { CidrBlock } from "./domain/network.ts";
import { CORE_RIGHTS, type Right } from "./domain/policy.ts";
import { uuidFrom } from "./domain/uuid.ts";
import { SealpostError } from "./errors.ts";
import { createDoctor, type Doctor } from "./mail/doctor/doctor.ts";
import type { ProcessGauges } from "./mail/metrics.ts";
import { createMailServices, type MailServices } from "./mail/services.ts";
import type { Submit } from "./mail/submission.ts";
import type { LeaseTimes } from "./mail/worker/leases.ts";
import { BackgroundWork, type RunInBackground } from "./plugin/background.ts";
import { reroutedEvent } from "./plugin/events.ts";
import { createRegistry, type PluginSet, type Registry, readPlugins } from "./plugin/registry.ts";
import { DEFAULT_REQUEST_MS } from "./plugin/routes.ts";
import type { Keyring } from "./secrets/keyring.ts";
import { DEFAULT_PASSWORD_COST } from "./secrets/password.ts";
import { createAuditCounter, createAuditRepository } from "./storage/audit-log.ts";
import { Epoch } from "./storage/epoch.ts";
import { SETTINGS } from "./storage/kept-tables.ts";
import { migrateAndRead } from "./storage/migrate.ts";
import { MIGRATIONS } from "./storage/migrations/index.ts";
import { selectHeld } from "./storage/queued-mail.ts";
import { createRateLimitRepository } from "./storage/rate-limits.ts";
import { createSealedRepository } from "./storage/sealed-values.ts";
import { commitSlices } from "./storage/slices.ts";
import { versionKey } from "./storage/smtp-servers.ts";
import { type Meter, MetricRegistry, NO_METER } from "./telemetry/meter.ts";
import { NO_TRACER, type Tracer } from "./telemetry/tracer.ts";
import { createFetchClient } from "./transport/fetch-client.ts";
import { createGuards, type Guards } from "./wire/guard.ts";
import { createDrain, createWake, createWork, type Drain, type InvocationDrains, type Work } from "./work.ts";

/** The parts that depend on the runtime: chosen by `sealpost/bun`, `sealpost/deno` or `sealpost/workers`, or by the host. */
export interface Drivers extends TargetLimits {
  readonly database: Database;
  readonly keyring: Keyring;
  readonly transport: Transport;
  readonly platform: Platform;
  /** Sends the requests for access tokens. Default: the platform's `fetch`, under the policy `private`. */
  readonly http?: HttpClient;
  /** Notifies workers of queued mail. Default: workers of this process are notified, others poll each second. */
  readonly wake?: Wake & Partial<WakeSource>;
  /** Keeps the runtime from ending work together with the request that started it; on Workers `waitUntil`. */
  readonly defer?: RunInBackground;
  /** Sends queued mail where work ends with its invocation. Default: a worker of this process, or of another. */
  readonly drains?: InvocationDrains;
  /** Closes the connections to mail servers: deliveries in flight end immediately, and their outcome is recorded. */
  readonly abortDeliveries?: () => void;
  /** Aborted by `abortDeliveries`; queued mail that no server has received yet is then released. */
  readonly deliveriesAborted?: AbortSignal;
  /** Password hashes computed at a time. Keep it below the number of cores, so that other work goes on. Default: 1. */
  readonly maxHashes?: number;
  /** Computes password hashes. Default: on this machine. */
  readonly scrypt?: Scrypt;
  /** Records spans of OpenTelemetry. Default: none are recorded. */
  readonly tracer?: Tracer;
}

export interface InstanceSettings {
  /** Lifetime of an admin token, in seconds. */
  readonly tokenSeconds: number;
  /** Retention of audit rows, in days. */
  readonly auditDays: number;
  /** Retention of final messages, in days. */
  readonly mailDays: number;
  /** Domain of a Message-ID if the sender address has none. */
  readonly hostName: string;
  /** Lease times of queued mail. Default: by the kind of database. Shorten them in tests only. */
  readonly lease?: LeaseTimes;
  /** Cost of a password hash. Lower it in tests only. */
  readonly passwordCost?: PasswordCost;
  readonly plugins?: readonly Plugin[];
  /** Public URL, for links in messages. */
  readonly baseUrl?: string;
  /** Clients exempt from the plugins' per-address rate limits. */
  readonly trustedClients?: readonly CidrBlock[];
  /** Timeout of a request to a plugin, in milliseconds. */
  readonly pluginRequestMs?: number;
}

const log = getLogger(["sealpost", "mail"]);
/** Actor in the audit log for mail that the host app submits. */
const HOST = { action: "submit", administrator: "", realm: "", client: "", policies: "", requestId: "" };

/** The objects of an instance that routes, the command line and tests use. */
export interface Services
  extends AccessServices,
    Omit<Guards, "isAllowed">,
    Omit<MailServices, "createWorker" | "idempotency" | "checks">,
    AsyncDisposable {
  readonly platform: Platform;
  readonly epoch: Epoch;
  readonly plugins: Registry;
  /** Every right: those of Sealpost, then those of plugins. */
  readonly rights: readonly Right[];
  /** Counts for `readMetrics`. */
  readonly meter: Meter;
  /** Public URL without its final slash, or empty if not set. */
  readonly baseUrl: string;
  /** Submits mail of the host app. */
  readonly submit: Submit;
  readonly work: Work;
  readonly drain: Drain;
  /** Resolves when background work, such as event handlers, is done, and after five seconds at the latest. */
  settled(): Promise<void>;
  /**
   * Migrates, checks the keys and reads the token secret. Call it before the first request.
   * @param beforePlugins runs after the migrations, before plugins start.
   */
  start(beforePlugins?: () => Promise<void>): Promise<void>;
  /** @throws {SealpostError} `database_unavailable` if the database is unreachable or the keys do not fit it. */
  checkReady(): Promise<void>;
  /** For `GET /system/doctor` and the command line. */
  readonly doctor: Doctor;
  /** Re-encrypts every secret with the first key. */
  rekey(): Promise<RekeyResult>;
  /** Voids outstanding admin tokens and codes in every process that starts later. */
  renewTokens(actor: AuditActor): Promise<void>;
  /** Has such a renewal take effect in this process as well. */
  reloadSecrets(): Promise<void>;
  /**
   * Runs once a day: checks when certificates expire, uses idle refresh tokens, and deletes rows past their retention,
   * last, because that may not end in the time of an invocation.
   */
  prune(): Promise<void>;
  /** Waits for background work, then closes plugins and connections. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Creates every object of an instance, without I/O; `start` does the I/O. */
export function createServices(drivers: Drivers, settings: InstanceSettings): Services {
  const { transport, platform } = drivers;
  const { tokenSeconds, auditDays } = settings;
  const pluginSet = readPlugins(settings.plugins ?? []);
  const shared = createFoundation(drivers, settings, pluginSet);
  const { database, epoch, rateLimits, rights } = shared;
  const secrets = createInstanceSecrets(shared);
  const access = createAccessServices({ ...shared, tokenSeconds, auditDays, tokenKey: secrets.tokenKey });
  const background = new BackgroundWork(drivers.defer);
  const drain = createDrain({
    drains: drivers.drains,
    createWorker: () => createWorker(),
    drainPlugins: (bounds) => plugins.work.drain(bounds),
  });
  const wake = drivers.wake ?? createWake({ drains: drivers.drains, drain, platform });
  const routing = createRouting(epoch, pluginSet, () => plugins);
  const { createWorker, idempotency, checks, ...mail } = createMailServices({
    ...settings,
    ...shared,
    ...access,
    transport,
    wake,
    mac: secrets.mac,
    checkKeys: () => checkKeys(secrets),
    notify: (name, data) => plugins.emit({ name, data: { ...data } }),
    certificatesOf: (address) => plugins.certificatesOf(address),
    ...routing,
    keepAlive: background.add,
  });
  const guards = createGuards({ ...access, epoch });
  const plugins = createRegistry(pluginSet, {
    ...shared,
    submitAs: mail.submitFor,
    idempotency,
    ...guards,
    ...routing,
    secret: secrets.secret,
    background: background.add,
    drainLater: async () => drivers.drains?.afterwards(drain),
    encryption: mail.encryption,
    findServer: mail.servers.get,
    serverNames: mail.servers.names,
  });

  return {
    ...access,
    ...mail,
    ...guards,
    platform,
    epoch,
    plugins,
    rights,
    meter: shared.meter,
    baseUrl: shared.baseUrl,
    submit: mail.submitFor({ name: "host", actor: HOST }),
    drain,
    settled: () => background.drain(),
    rekey: () => rekey(shared),
    ...renewalOf(secrets),
    work: createWork({ database, wake, createWorker, plugins: plugins.work }),
    async start(beforePlugins) {
      await prepare({ ...shared, secrets, beforePlugins, plugins: pluginSet });
      await plugins.start();
    },
    checkReady: () => checkKeys(secrets),
    doctor: createDoctor(() => ({ ...plugins.checks, ...checks() })),
    async prune() {
      await mail.maintainServers();
      for (const { prune } of [plugins, mail, access.auditLog]) await prune();
      await commitSlices(database, [rateLimits.prune(platform.now())]);
    },
    async [Symbol.asyncDispose]() {
      await background.drain();
      await plugins.close();
      for (const driver of [wake, transport, database]) await driver[Symbol.asyncDispose]();
    },
  };
}

/** Migrates, checks the keys, and says if a restore holds mail. */
async function prepare(deps: {
  readonly database: Database;
  readonly platform: Platform;
  readonly secrets: InstanceSecrets;
  readonly plugins: Pick<PluginSet, "migrations" | "dueTimes">;
  readonly beforePlugins: (() => Promise<void>) | undefined;
}): Promise<void> {
  const { database, platform, secrets, plugins, beforePlugins } = deps;
  const migrations = [...MIGRATIONS, ...plugins.migrations];
  const selects = [...secrets.selects(), selectHeld(plugins.dueTimes)] as const;
  const [keyIds, rows, [waiting]] = await migrateAndRead(database, migrations, selects, platform);
  await secrets.start([keyIds, rows]);
  await beforePlugins?.();
  const held = waiting?.held ?? 0;
  if (held === 1) log.warning("1 message or webhook is held, as after a restore: queue release sends it");
  if (held <= 1) return;
  log.warning("{held} messages and webhooks are held, as after a restore: queue release sends them", {
    held,
  });
}

function renewalOf({ renewTokens, reload: reloadSecrets }: InstanceSecrets) {
  return { renewTokens, reloadSecrets };
}

/** Creates what decides on changes of where mail of plugins goes. @param registry is created later. */
function createRouting(epoch: Epoch, { kept }: PluginSet, registry: () => Registry) {
  return {
    reroutes: createReroutes({
      epoch,
      basis: [SETTINGS, ...kept],
      emit: (actor, data) => registry().emit(reroutedEvent(actor, data)),
    }),
    usageOf: async (identifier: string) => (await registry().serverUsers()).of(identifier),
  };
}

/** Creates what access, mail and plugins share. */
function createFoundation(drivers: Drivers, settings: InstanceSettings, plugins: PluginSet) {
  const { keyring, platform } = drivers;
  const pool = new HashPool(drivers.maxHashes ?? 1);
  const registry = new MetricRegistry();
  // A request on Workers may meet any isolate.
  const isOneProcess = drivers.drains === undefined;
  const meter = isOneProcess ? registry : NO_METER;
  const epoch = new Epoch(drivers.database, plugins.kept, createAuditCounter(meter));
  const { database } = epoch;
  return {
    meter,
    tracer: drivers.tracer ?? NO_TRACER,
    registry,
    processGauges: isOneProcess ? createProcessGauges(pool, drivers) : () => [],
    database,
    epoch,
    dueTimes: plugins.dueTimes,
    sharesDrains: drivers.drains?.isShared === true,
    keyring,
    platform,
    passwords: createPasswords({
      pool,
      passwordCost: settings.passwordCost ?? DEFAULT_PASSWORD_COST,
      platform,
      scrypt: drivers.scrypt,
    }),
    newId: () => uuidFrom(platform.randomBytes(16)),
    baseUrl: (settings.baseUrl ?? "").replace(/\/+$/, ""),
    trustedClients: settings.trustedClients ?? [],
    requestMs: settings.pluginRequestMs ?? DEFAULT_REQUEST_MS,
    targets: drivers,
    http: drivers.http ?? createFetchClient({ egress: "private", ports: [] }),
    sealed: createSealedRepository(database, plugins.sealed),
    audit: createAuditRepository(database),
    rateLimits: createRateLimitRepository(database),
    rights: [...Object.keys(CORE_RIGHTS), ...plugins.rights],
  };
}

/** Creates the reader of what this process does at the moment. */
function createProcessGauges(pool: HashPool, { database, transport }: Drivers): ProcessGauges {
  return (definitions) => {
    const open = transport.openConnections?.();
    const connections = definitions.flatMap((row) => {
      const value = open?.get(versionKey(row));
      const labels = { server: row.identifier };
      return value === undefined ? [] : [{ name: "sealpost_connections_open", labels, value } as const];
    });
    return [
      ...connections,
      { name: "sealpost_hashes_waiting", labels: {}, value: pool.waiting },
      { name: "sealpost_db_busy_total", labels: {}, value: database.busyCount?.() ?? 0 },
    ];
  };
}

/** @throws {SealpostError} `database_unavailable`, also for keys that do not fit the database. */
async function checkKeys({ checkKeys }: { readonly checkKeys: () => Promise<void> }): Promise<void> {
  await checkKeys().catch((cause) => {
    if (cause instanceof SealpostError && cause.code === "database_unavailable") throw cause;
    const message = "The keys of this instance do not open its database";
    throw new SealpostError("database_unavailable", message, { cause, retryAfterSeconds: 30 });
  });
}
