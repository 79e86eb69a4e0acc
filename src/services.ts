import { createAdminTokens } from "./access/admin-tokens.ts";
import { createAdmins } from "./access/admins.ts";
import { createAuditLog } from "./access/audit-log.ts";
import { createAuthentication } from "./access/authentication.ts";
import { createAuthorization } from "./access/authorization.ts";
import { createCommitAccessChange } from "./access/commit-change.ts";
import { HashPool } from "./access/hash-pool.ts";
import { createInstanceSecrets } from "./access/instance-secrets.ts";
import { createPasswords } from "./access/passwords.ts";
import { createPolicies } from "./access/policies.ts";
import { createReserveAttempt } from "./access/rate-limit.ts";
import { type RekeyResult, rekey } from "./access/rekey.ts";
import type { Database } from "./contracts/database.ts";
import type { Platform } from "./contracts/platform.ts";
import type { Plugin } from "./contracts/plugin.ts";
import type { Transport } from "./contracts/transport.ts";
import type { Wake, WakeSource } from "./contracts/wake.ts";
import type { CidrBlock } from "./domain/network.ts";
import { CORE_RIGHTS } from "./domain/policy.ts";
import { uuidFrom } from "./domain/uuid.ts";
import { SealpostError } from "./errors.ts";
import { createMailServices } from "./mail/services.ts";
import type { LeaseTimes } from "./mail/worker/leases.ts";
import type { DrainBudget } from "./mail/worker/queue-worker.ts";
import { type Defer, Deferred } from "./plugin/deferred.ts";
import { createRegistry, readPlugins } from "./plugin/registry.ts";
import { DEFAULT_REQUEST_MS } from "./plugin/routes.ts";
import type { Keyring } from "./secrets/keyring.ts";
import { DEFAULT_PASSWORD_COST, type PasswordCost } from "./secrets/password.ts";
import { createAdminRepository } from "./storage/admins.ts";
import { createAttemptSlotRepository } from "./storage/attempt-slots.ts";
import { createAuditRepository } from "./storage/audit-log.ts";
import { createEpoch } from "./storage/epoch.ts";
import { createInstanceSecretRepository } from "./storage/instance-secrets.ts";
import { migrateAndRead } from "./storage/migrate.ts";
import { MIGRATIONS } from "./storage/migrations/index.ts";
import { createPolicyRepository } from "./storage/policies.ts";
import { createRateLimitRepository } from "./storage/rate-limits.ts";
import { createSealedRepository } from "./storage/sealed-values.ts";
import { createPollWake } from "./wake/poll.ts";
import { createIsAllowed, createRequireRight } from "./wire/guard.ts";

/** What an entry chooses for its runtime. */
export interface Drivers {
  readonly database: Database;
  readonly keyring: Keyring;
  readonly transport: Transport;
  readonly platform: Platform;
  /** How workers are told of queued mail; default: those of this process are told, the others look each second. */
  readonly wake?: Wake & Partial<WakeSource>;
  /** Keeps the runtime from ending work with the request that has begun it; on Workers `waitUntil`. */
  readonly defer?: Defer;
  /** Where work ends with its event: who sends queued mail there. Default: a worker of this process, or of another. */
  readonly drains?: EventDrains;
  /** Ends the connections to mail servers: mails in flight end at once, and what is known of them is recorded. */
  readonly cutMail?: () => void;
  /** Aborted by it; queued mail of which a server has nothing yet is then taken back. */
  readonly mailCut?: AbortSignal;
  /** Password hashes at a time; fewer than the cores, so that one is left for all other work. Default: 1. */
  readonly maxHashes?: number;
}

/** Sends the queued mail that is due. */
export type Drain = (options: DrainBudget) => Promise<void>;

/** How queued mail is sent where work and connections belong to an event, as on Workers. */
export interface EventDrains {
  /** By the event that has queued it, as far as there is time; to ask again before it has begun changes nothing. */
  afterwards(drain: Drain): void | Promise<void>;
  /** By an event that is there for it and has this much time, in milliseconds. */
  within(timeMs: number, drain: Drain): Promise<void>;
}

export interface InstanceSettings {
  /** Lifetime of an admin token, in seconds. */
  readonly tokenSeconds: number;
  /** How long audit rows are kept, in days. */
  readonly auditDays: number;
  /** How long mails are kept that have ended, in days. */
  readonly mailDays: number;
  /** Domain of a Message-ID when the sender has none. */
  readonly hostName: string;
  /** How long a worker may be silent; default: by the kind of the database. Shorten it in tests only. */
  readonly lease?: LeaseTimes;
  /** Cost of a password hash; lower it in tests only. */
  readonly passwordCost?: PasswordCost;
  readonly plugins?: readonly Plugin[];
  /** Public URL for links in mails. */
  readonly baseUrl?: string;
  /** Clients that limits by address are not for. */
  readonly trustedClients?: readonly CidrBlock[];
  /** Bound of a request to a plugin, in milliseconds. */
  readonly pluginRequestMs?: number;
}

/** What the audit log says of mail that the host app sends by itself. */
const HOST = { action: "submit", administrator: "", realm: "", client: "", policies: "", requestId: "" };

export type Services = ReturnType<typeof createServices>;

/** Builds every object of an instance once, without I/O; `start` does that. */
export function createServices(drivers: Drivers, settings: InstanceSettings) {
  const { keyring, transport, platform } = drivers;
  const newId = () => uuidFrom(platform.randomBytes(16));
  const pluginSet = readPlugins(settings.plugins ?? []);
  const epoch = createEpoch(drivers.database, pluginSet.kept);
  const { database } = epoch;
  const passwords = createPasswords({
    pool: new HashPool(drivers.maxHashes ?? 1),
    passwordCost: settings.passwordCost ?? DEFAULT_PASSWORD_COST,
    platform,
  });
  const shared = { database, epoch, keyring, platform, passwords, newId };

  const audit = createAuditRepository(database);
  const adminRepository = createAdminRepository(database, epoch);
  const policyRepository = createPolicyRepository(database, epoch);
  const sealed = createSealedRepository(database, pluginSet.sealed);

  const instance = createInstanceSecrets({
    ...shared,
    repository: createInstanceSecretRepository(database),
    sealed,
  });
  const auditLog = createAuditLog({ ...shared, repository: audit, keepDays: settings.auditDays });
  const rateLimits = createRateLimitRepository(database);
  const actions = [...Object.keys(CORE_RIGHTS), ...pluginSet.actions];
  const authorization = createAuthorization({ ...shared, policies: policyRepository, actions });
  const authentication = createAuthentication({
    ...shared,
    admins: adminRepository,
    tokens: createAdminTokens({ key: instance.tokenKey, lifetimeSeconds: settings.tokenSeconds, platform }),
    reserveAttempt: createReserveAttempt({
      ...{ ...shared, rateLimits, audit },
      slots: createAttemptSlotRepository(database),
    }),
    rights: authorization.rights,
  });
  const commitChange = createCommitAccessChange({
    ...shared,
    admins: adminRepository,
    policies: policyRepository,
  });
  const policies = createPolicies({ ...shared, repository: policyRepository, audit, commitChange });
  const admins = createAdmins({ ...shared, repository: adminRepository, audit, commitChange });

  const drain: Drain = (options) => createWorker().drain(options);
  const wake =
    drivers.wake ?? (drivers.drains ? createDrainWake(drivers.drains, drain) : createPollWake(platform));
  const { createWorker, idempotency, ...mail } = createMailServices({
    ...{ ...shared, transport, wake, audit, rateLimits, mac: instance.mac },
    ...{ hostName: settings.hostName, mailDays: settings.mailDays },
    ...(settings.lease && { lease: settings.lease }),
    notify: (name, data) => plugins.emit({ name, data: { ...data } }),
  });

  const requireRight = createRequireRight({ authentication, authorization, epoch });
  const deferred = new Deferred(drivers.defer);
  const plugins = createRegistry(pluginSet, {
    ...{ ...shared, audit, rateLimits, submitAs: mail.submitFor, idempotency, requireRight, actions },
    isAllowed: createIsAllowed({ authentication, authorization, epoch }),
    secret: instance.secret,
    defer: deferred.add,
    baseUrl: (settings.baseUrl ?? "").replace(/\/+$/, ""),
    trustedClients: settings.trustedClients ?? [],
    requestMs: settings.pluginRequestMs ?? DEFAULT_REQUEST_MS,
    findServer: mail.servers.get,
    serverNames: async () => (await mail.servers.list()).map(({ identifier }) => identifier),
  });

  /** What is done once a day: deletes what has been kept for long enough, and looks at certificates. */
  async function prune(): Promise<void> {
    await plugins.prune();
    await mail.prune();
    await auditLog.prune();
    await database.commit([rateLimits.prune(platform.now())]);
    await mail.checkCertificates();
  }

  return {
    actions,
    admins,
    epoch,
    authentication,
    authorization,
    platform,
    plugins,
    policies,
    requireRight,
    auditLog,
    ...mail,
    prune,

    /** For the code of the host app. */
    submit: mail.submitFor({ name: "host", actor: HOST }),

    /**
     * Sends queued mail until the signal is aborted and what is in flight has ended; on Workers it resolves at once.
     * @param cut aborted: mails end at once of which a server has nothing yet.
     */
    async work(signal: AbortSignal, cut?: AbortSignal): Promise<void> {
      if (isSource(wake)) await createWorker().run(wake, { signal, cut });
    },

    drain,

    /** Resolves when what was deferred is done, the handlers of events among it; after five seconds in any case. */
    settled: (): Promise<void> => deferred.drain(),

    /** Migrates, checks the keys and reads the token secret; before the first request. */
    async start(): Promise<void> {
      const migrations = [...MIGRATIONS, ...pluginSet.migrations];
      await instance.start(await migrateAndRead(database, migrations, instance.selects(), platform));
      await plugins.start();
    },

    /** @throws {SealpostError} `database_unavailable` if this instance cannot do its work. */
    async checkReady(): Promise<void> {
      await instance.checkKeys().catch((cause) => {
        if (cause instanceof SealpostError && cause.code === "database_unavailable") throw cause;
        const message = "The keys of this instance do not open its database";
        throw new SealpostError("database_unavailable", message, { cause, retryAfterSeconds: 30 });
      });
    },

    /** Seals every secret with the first key. */
    rekey: (): Promise<RekeyResult> => rekey({ ...shared, sealed }),

    /** Ends what is in flight, then closes the connections. */
    async [Symbol.asyncDispose](): Promise<void> {
      await deferred.drain();
      await plugins.close();
      await wake[Symbol.asyncDispose]();
      await transport[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

/** Where no worker runs, a wake has the event that gives it send. What is due later is found by a sweep. */
function createDrainWake(drains: EventDrains, drain: Drain): Wake {
  return {
    name: "poll",
    async notify(_, { notBefore } = {}) {
      if (notBefore === undefined) await drains.afterwards(drain);
    },
    async [Symbol.asyncDispose]() {
      // Nothing is held between events.
    },
  };
}

function isSource(wake: Wake & Partial<WakeSource>): wake is Wake & WakeSource {
  return wake.listen !== undefined;
}
