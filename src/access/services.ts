import type { Database } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import type { Right } from "../domain/policy.ts";
import { createAdminRepository } from "../storage/admins.ts";
import { createApiKeyRepository } from "../storage/api-keys.ts";
import { createAttemptSlotRepository } from "../storage/attempt-slots.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import type { Epoch } from "../storage/epoch.ts";
import { createPolicyRepository } from "../storage/policies.ts";
import type { RateLimitRepository } from "../storage/rate-limits.ts";
import type { Meter } from "../telemetry/meter.ts";
import { createAdminTokens } from "./admin-tokens.ts";
import { type Admins, createAdmins } from "./admins.ts";
import { type ApiKeys, createApiKeys } from "./api-keys.ts";
import { type AuditLog, createAuditLog } from "./audit-log.ts";
import { type Authentication, createAuthentication } from "./authentication.ts";
import { type Authorization, createAuthorization } from "./authorization.ts";
import { createCommitAccessChange } from "./commit-change.ts";
import type { Passwords } from "./passwords.ts";
import { createPolicies, type Policies } from "./policies.ts";
import { createReserveAttempt } from "./rate-limit.ts";

/** Admins: their logins, their rights, and the audit log. */
export interface AccessServices {
  readonly admins: Admins;
  readonly apiKeys: ApiKeys;
  readonly auditLog: AuditLog;
  readonly authentication: Authentication;
  readonly authorization: Authorization;
  readonly policies: Policies;
}

interface AccessServicesDeps {
  readonly database: Database;
  readonly epoch: Epoch;
  readonly audit: AuditRepository;
  readonly rateLimits: RateLimitRepository;
  readonly passwords: Passwords;
  readonly platform: Platform;
  readonly newId: () => string;
  /** Returns the key that signs admin tokens. */
  readonly tokenKey: () => CryptoKey;
  /** Lifetime of an admin token, in seconds. */
  readonly tokenSeconds: number;
  /** Retention of audit rows, in days. */
  readonly auditDays: number;
  readonly rights: readonly Right[];
  readonly meter: Meter;
}

/** Creates the services for admins, without I/O. */
export function createAccessServices(deps: AccessServicesDeps): AccessServices {
  const { database, epoch, audit, platform, rights } = deps;
  const adminRows = createAdminRepository(database, epoch);
  const policyRows = createPolicyRepository(database, epoch);
  const apiKeys = createApiKeys({
    ...deps,
    repository: createApiKeyRepository(database, epoch),
    admins: adminRows,
  });
  const authorization = createAuthorization({ policies: policyRows, rights, platform });
  const commitChange = createCommitAccessChange({ epoch, admins: adminRows, policies: policyRows });
  return {
    admins: createAdmins({ ...deps, repository: adminRows, commitChange }),
    apiKeys,
    auditLog: createAuditLog({ database, repository: audit, platform, keepDays: deps.auditDays }),
    authentication: createAuthentication({
      ...deps,
      apiKeys,
      admins: adminRows,
      tokens: createAdminTokens({ key: deps.tokenKey, lifetimeSeconds: deps.tokenSeconds, platform }),
      reserveAttempt: createReserveAttempt({ ...deps, slots: createAttemptSlotRepository(database) }),
      rights: authorization.rights,
    }),
    authorization,
    policies: createPolicies({ ...deps, repository: policyRows, commitChange }),
  };
}
