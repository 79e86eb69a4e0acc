import { getLogger } from "@logtape/logtape";
import type { Database } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import type { Principal } from "../domain/admin.ts";
import { API_KEY_PREFIX, type ApiKey, type ApiKeyScope, isWithinScope } from "../domain/api-key.ts";
import { type AuditActor, auditEntry } from "../domain/audit.ts";
import { BoundedCache } from "../domain/cache.ts";
import { Secret } from "../domain/secret.ts";
import { invalidParameter, SealpostError } from "../errors.ts";
import { hashText, randomText } from "../secrets/digest.ts";
import type { AdminRepository } from "../storage/admins.ts";
import type { ApiKeyRepository, ApiKeyRow } from "../storage/api-keys.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import { type Epoch, untilCommitted } from "../storage/epoch.ts";
import { ADMINS } from "../storage/kept-tables.ts";
import { expiredToken } from "./admin-tokens.ts";

const log = getLogger(["sealpost", "access"]);

/** A use is stored at most this often. */
const USE_INTERVAL_MS = 3_600_000;
/** Keys whose last stored use is remembered. */
const MAX_REMEMBERED = 10_000;

/** A key in the list. */
export interface ListedApiKey extends ApiKey {
  /** The admin who created it. */
  readonly username: string;
  readonly realm: string;
  /** At most an hour older than the last use. `null` if it was never used. */
  readonly lastUsedAt: Date | null;
}

/**
 * API keys: random texts by which programs act for the admin who created them. A key is void while that admin is disabled,
 * and deleted with them. It outlives a new password, because programs need not stop when a person changes theirs.
 */
export interface ApiKeys {
  list(): Promise<readonly ListedApiKey[]>;
  /**
   * Creates a key. Only its hash is stored, so this is the only time that the key can be shown.
   * @throws {SealpostError} `invalid_parameter` for an end in the past; `action_denied` if `maker` used a key that does
   * not include everything that the new one would.
   */
  create(
    fields: ApiKeyScope & Pick<ApiKey, "name">,
    maker: Pick<Principal, "adminId" | "apiKey">,
    actor: AuditActor,
  ): Promise<{ readonly id: string; readonly key: Secret }>;
  /** Deletes a key. @throws {SealpostError} `resource_not_found`. */
  remove(id: string, actor: AuditActor): Promise<true>;
  /**
   * Returns the admin of a key in their current state.
   * @throws {SealpostError} `bad_token` for an unknown or deleted key; `expired_token`.
   */
  check(key: string): Promise<Principal>;
  /** Returns the same for the key of an earlier request. @throws {SealpostError} `expired_token`. */
  recheck(id: string): Promise<Principal>;
  /** Stores that a key is used, at most once an hour. Never throws. */
  recordUse(id: string): Promise<void>;
}

interface ApiKeysDeps {
  readonly database: Database;
  readonly epoch: Epoch;
  readonly repository: ApiKeyRepository;
  readonly admins: Pick<AdminRepository, "list" | "get">;
  readonly audit: AuditRepository;
  readonly platform: Platform;
  readonly newId: () => string;
}

export function createApiKeys(deps: ApiKeysDeps): ApiKeys {
  const { database, repository, admins, platform } = deps;
  const recordedMs = new BoundedCache<number>(MAX_REMEMBERED);

  async function principalOf({ hash: _, ...apiKey }: ApiKeyRow): Promise<Principal> {
    if (apiKey.expiresAt !== null && apiKey.expiresAt <= platform.now())
      throw expiredToken("this API key has expired");
    const admin = await admins.get(apiKey.adminId);
    if (!admin?.enabled) throw expiredToken("the admin of this API key is disabled");
    const { id: adminId, username, realm, generation } = admin;
    return { adminId, username, realm, generation, apiKey };
  }

  return {
    async list() {
      // First, because this read proves the right and the kept keys.
      const uses = new Map((await repository.uses()).map(({ id, usedAt }) => [id, usedAt]));
      const owners = new Map((await admins.list()).map((admin) => [admin.id, admin]));
      return (await repository.list()).map(({ hash: _, ...key }) => ({
        ...key,
        username: owners.get(key.adminId)?.username ?? "",
        realm: owners.get(key.adminId)?.realm ?? "",
        lastUsedAt: uses.get(key.id) ?? null,
      }));
    },

    create: (fields, maker, actor) => create(deps, fields, maker, actor),

    remove: (id, actor) => untilCommitted(deps.epoch, () => remove(deps, id, actor)),

    async check(key) {
      // The time of this comparison depends on hashes, and no one can choose a key by its hash.
      const hash = await hashText(key);
      const row = (await repository.list()).find((candidate) => candidate.hash === hash);
      if (row !== undefined) return principalOf(row);
      throw new SealpostError(
        "bad_token",
        "Authentication failure. Error decoding the Authorization token: it is not an API key of this server",
      );
    },

    async recheck(id) {
      const row = (await repository.list()).find((candidate) => candidate.id === id);
      if (row !== undefined) return principalOf(row);
      throw expiredToken("the API key was deleted since");
    },

    async recordUse(id) {
      const now = platform.now();
      const sinceMs = now.getTime() - (recordedMs.get(id) ?? Number.NEGATIVE_INFINITY);
      if (sinceMs >= 0 && sinceMs < USE_INTERVAL_MS) return;
      recordedMs.set(id, now.getTime());
      try {
        await database.append(repository.recordUse(id, now, USE_INTERVAL_MS));
      } catch (error) {
        log.warning("Cannot store when API key {id} was used: {error}", { id, error });
      }
    },
  };
}

async function create(
  { epoch, repository, admins, audit, platform, newId }: ApiKeysDeps,
  ...[fields, maker, actor]: Parameters<ApiKeys["create"]>
): ReturnType<ApiKeys["create"]> {
  const now = platform.now();
  if (fields.expiresAt !== null && fields.expiresAt <= now)
    throw invalidParameter("expires_at", "expected a time in the future");
  if (maker.apiKey !== null && !isWithinScope(fields, maker.apiKey)) throw wider();
  const key = `${API_KEY_PREFIX}${randomText(platform)}`;
  const { adminId } = maker;
  const row = { ...fields, id: newId(), adminId, createdAt: now, hash: await hashText(key) };
  const info = `${row.id}: ${fields.rights.join(", ")}`;
  const entry = auditEntry(actor, now, { success: true, identifier: fields.name, info });
  await untilCommitted(epoch, async () => {
    // The key of an admin who is deleted meanwhile would stay.
    if ((await admins.get(adminId)) === undefined) throw expiredToken("the account was changed since");
    return epoch.commit([ADMINS], [repository.insert(row), audit.insert(entry)]);
  });
  return { id: row.id, key: new Secret(key) };
}

/** @returns `null` if the caller's rights have changed meanwhile. */
async function remove(
  { epoch, repository, audit, platform }: ApiKeysDeps,
  id: string,
  actor: AuditActor,
): Promise<true | null> {
  const row = (await repository.list()).find((candidate) => candidate.id === id);
  if (row === undefined)
    throw new SealpostError("resource_not_found", "The requested ApiKey could not be found.");
  const entry = auditEntry(actor, platform.now(), { success: true, identifier: row.name, info: id });
  const results = await epoch.commit([], [repository.remove(id), audit.insertIfChanged(entry)]);
  return results !== null && results[0].rowsAffected > 0 ? true : null;
}

function wider(): SealpostError {
  return new SealpostError(
    "action_denied",
    "An API key creates only keys with rights, servers, client and expires_at within its own",
  );
}
