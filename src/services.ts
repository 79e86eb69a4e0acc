import { createAdmins } from "./access/admins.ts";
import { createAuditTrail } from "./access/audit-trail.ts";
import { createAuthentication } from "./access/authentication.ts";
import { createAuthorization } from "./access/authorization.ts";
import { createCommitAccessChange } from "./access/change.ts";
import { createInstance } from "./access/instance.ts";
import { createBeginTry } from "./access/limits.ts";
import { createPolicies } from "./access/policies.ts";
import { type RekeyResult, rekey } from "./access/rekey.ts";
import { createTokens } from "./access/tokens.ts";
import type { Platform } from "./contracts/platform.ts";
import type { Transport } from "./contracts/transport.ts";
import { CORE_ACTIONS } from "./domain/policy.ts";
import { uuidFrom } from "./domain/uuid.ts";
import { SealpostError } from "./errors.ts";
import { createDeliver } from "./mail/deliver.ts";
import { createSaveServer } from "./mail/save-server.ts";
import { createServers } from "./mail/servers.ts";
import { createPrepareSigner } from "./mail/signing.ts";
import { createSubmit } from "./mail/submit.ts";
import { createTestMail } from "./mail/test-mail.ts";
import type { Keyring } from "./secrets/keyring.ts";
import { DEFAULT_PASSWORD_COST, type PasswordCost } from "./secrets/password.ts";
import { createAdminRepository } from "./storage/admins.ts";
import { createAuditRepository } from "./storage/audit-log.ts";
import type { Database } from "./storage/database.ts";
import { createInstanceRepository } from "./storage/instance.ts";
import { migrate } from "./storage/migrate.ts";
import { MIGRATIONS } from "./storage/migrations/index.ts";
import { createPolicyRepository } from "./storage/policies.ts";
import { createSealedRepository } from "./storage/sealed.ts";
import { createSmtpServerRepository } from "./storage/smtp-servers.ts";
import { createTryRepository } from "./storage/tries.ts";

/** What an entry chooses for its runtime. */
export interface Drivers {
  readonly database: Database;
  readonly keyring: Keyring;
  readonly transport: Transport;
  readonly platform: Platform;
}

export interface InstanceSettings {
  /** Lifetime of an admin token, in seconds. */
  readonly tokenSeconds: number;
  /** How long audit rows are kept, in days. */
  readonly auditDays: number;
  /** Domain of a Message-ID when the sender has none. */
  readonly hostName: string;
  /** Cost of a password hash; lower it in tests only. */
  readonly passwordCost?: PasswordCost;
}

export type Services = ReturnType<typeof createServices>;

/** Builds every object of an instance once, without I/O; `start` does that. */
export function createServices(drivers: Drivers, settings: InstanceSettings) {
  const { database, keyring, transport, platform } = drivers;
  const passwordCost = settings.passwordCost ?? DEFAULT_PASSWORD_COST;
  const newId = () => uuidFrom(platform.randomBytes(16));
  const shared = { database, keyring, platform, passwordCost, newId };

  const audit = createAuditRepository(database);
  const adminRepository = createAdminRepository(database);
  const policyRepository = createPolicyRepository(database);
  const smtpServers = createSmtpServerRepository(database);
  const sealed = createSealedRepository(database);

  const instance = createInstance({ ...shared, repository: createInstanceRepository(database), sealed });
  const trail = createAuditTrail({ ...shared, repository: audit, keepDays: settings.auditDays });
  const tries = createTryRepository(database);
  const actions = Object.keys(CORE_ACTIONS);
  const authorization = createAuthorization({ ...shared, policies: policyRepository, actions });
  const authentication = createAuthentication({
    ...shared,
    admins: adminRepository,
    tokens: createTokens({ key: instance.tokenKey, lifetimeSeconds: settings.tokenSeconds, platform }),
    beginTry: createBeginTry({ ...shared, tries }),
    rights: authorization.rights,
  });
  const commitChange = createCommitAccessChange({
    ...shared,
    admins: adminRepository,
    policies: policyRepository,
  });
  const policies = createPolicies({ ...shared, repository: policyRepository, audit, commitChange });
  const admins = createAdmins({ ...shared, repository: adminRepository, audit, commitChange });

  const servers = createServers({ ...shared, repository: smtpServers, audit });
  const submit = createSubmit({
    loadServer: servers.load,
    prepareSigner: createPrepareSigner(platform),
    deliver: createDeliver(transport),
    platform,
    hostName: settings.hostName,
  });
  const saveServer = createSaveServer({ ...shared, repository: smtpServers, servers, audit });
  const testMail = createTestMail({ ...shared, repository: smtpServers, servers, audit, submit });

  /** Deletes what has been kept for long enough. */
  async function prune(): Promise<void> {
    await trail.prune();
    await database.commit([tries.prune(platform.now())]);
  }

  return {
    actions,
    admins,
    authentication,
    authorization,
    platform,
    policies,
    saveServer,
    servers,
    submit,
    testMail,
    trail,
    prune,

    /** Migrates, checks the keys and reads the token secret; before the first request. */
    async start(): Promise<void> {
      await migrate(database, MIGRATIONS, platform);
      await instance.start();
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
      await transport[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}
