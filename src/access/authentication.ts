import type { Database } from "../contracts/database.ts";
import type { RateLimit } from "../contracts/plugin/limits.ts";
import type { Admin, Principal } from "../domain/admin.ts";
import { API_KEY } from "../domain/api-key.ts";
import { type AdminName, displayName, nameKey } from "../domain/names.ts";
import { clientNetwork } from "../domain/network.ts";
import { SealpostError } from "../errors.ts";
import { hashText } from "../secrets/digest.ts";
import type { AdminRepository } from "../storage/admins.ts";
import type { Meter } from "../telemetry/meter.ts";
import { type AdminTokens, expiredToken } from "./admin-tokens.ts";
import type { ApiKeys } from "./api-keys.ts";
import type { HashCaller } from "./hash-pool.ts";
import type { Passwords } from "./passwords.ts";
import type { AuditRecord, ReserveAttempt } from "./rate-limit.ts";

/** Common practice: enough for typing errors but not for guessing. */
const MAX_FAILURES_PER_NAME_AND_ADDRESS = 10;
const MAX_FAILURES_PER_ADDRESS = 100;
const WINDOW_SECONDS = 600;
const ADMIN_ROLE = "admin";

interface LoginResult {
  readonly token: string;
  readonly principal: Principal;
  readonly rights: readonly string[];
}

interface LoginOptions {
  /** The realm of the admin, unless a local admin is meant. `null` if it may be part of the username. */
  readonly realm: string | null;
  /** IP address of the client; `null` if unknown. */
  readonly client: string | null;
  /** The client of this request may hang up while its login waits. */
  readonly request?: Pick<Request, "signal">;
  /** Returns the audit row to commit with the verdict. @param principal `null` if the login is rejected. */
  readonly record?: (principal: Principal | null) => AuditRecord;
}

/** Logs admins in by password and verifies their tokens. */
export interface Authentication {
  /** Issues a token for an admin whose identity is already verified. */
  issue(admin: Admin, client: string | null): Promise<LoginResult>;
  /**
   * Logs an admin in.
   * @throws {SealpostError} `wrong_credentials`, the same for every reason and after the same time; `too_many_tries`;
   * `busy`.
   */
  logIn(username: string, password: string, options: LoginOptions): Promise<LoginResult>;
  /**
   * Returns the admin of a token or of an API key in their current state.
   * @throws {SealpostError} `bad_token`, `expired_token`, `wrong_role`.
   */
  check(token: string): Promise<Principal>;
  /**
   * Returns the admin of an earlier request in their current state.
   * @throws {SealpostError} `expired_token` if the admin is gone or disabled, or has another password since. With the API
   * key of that request: if the key or its admin is gone, expired or disabled.
   */
  recheck(earlier: AdminReference): Promise<Principal>;
}

type AdminReference = Pick<Principal, "adminId" | "generation"> & {
  /** Empty if the admin logged in. */
  readonly apiKeyId: string;
};

export function createAuthentication(deps: {
  readonly database: Database;
  readonly admins: AdminRepository;
  readonly tokens: AdminTokens;
  readonly apiKeys: Pick<ApiKeys, "check" | "recheck">;
  readonly passwords: Passwords;
  readonly reserveAttempt: ReserveAttempt;
  /** Returns the current rights of an admin. They inform the client and decide nothing. */
  readonly rights: (principal: Principal, client: string | null) => Promise<readonly string[]>;
  readonly meter: Meter;
}): Authentication {
  const { database, admins, tokens, apiKeys, reserveAttempt, passwords } = deps;

  /** Finds the admin that the login means: the first of these names that exists. */
  async function findAdmin(names: readonly AdminName[]): Promise<Admin | undefined> {
    for (const { username, realm } of names) {
      const admin = await admins.find(username, realm);
      if (admin) return admin;
    }
    return undefined;
  }

  /** Renews an outdated hash. If the pool is busy, the next login renews it. */
  async function rehash(admin: Admin, password: string, caller: HashCaller): Promise<void> {
    try {
      const hash = await passwords.hash(password, caller);
      await database.commit([admins.rehash(admin.id, admin.passwordHash, hash)]);
    } catch (error) {
      if (!isBusy(error)) throw error;
    }
  }

  async function issue(admin: Admin, client: string | null): Promise<LoginResult> {
    const { id, username, realm, generation } = admin;
    const principal = principalOf(admin);
    const rights = await deps.rights(principal, client);
    const claims = { username, realm, role: ADMIN_ROLE, rights: [...rights], admin_id: id, generation };
    return { token: await tokens.issue(claims), principal, rights };
  }

  async function logIn(username: string, password: string, options: LoginOptions): Promise<LoginResult> {
    const client = options.client === null ? "unknown" : clientNetwork(options.client);
    const caller = { client, request: options.request };
    // A flood must not cost one commit for each attempt that is rejected anyway.
    passwords.assertRoom(caller);
    const names = namesOf(username, options.realm);
    const attempt = await reserveAttempt(await limitsOf(names, client));
    const verify = async () => {
      const admin = await findAdmin(names);
      const verdict = await passwords.verify(password, admin?.passwordHash ?? null, caller);
      return { admin: admin?.enabled && verdict.ok ? admin : null, ...verdict };
    };
    const { admin, rehash: isOutdated } = await verify().catch(async (error) => {
      // If this fails as well, the slot expires.
      await attempt.finish("withdrawn").catch(() => undefined);
      throw error;
    });
    const record = options.record?.(admin && principalOf(admin));
    await attempt.finish(admin ? "succeeded" : "failed", record);
    if (!admin) throw wrongCredentials();
    if (isOutdated) await rehash(admin, password, caller);
    return issue(admin, options.client);
  }

  async function check(token: string): Promise<Principal> {
    if (API_KEY.test(token)) return apiKeys.check(token);
    const claims = await tokens.read(token);
    if (claims.role !== ADMIN_ROLE) throw wrongRole();
    return recheck({ adminId: claims.admin_id, generation: claims.generation, apiKeyId: "" });
  }

  async function recheck({ adminId, generation, apiKeyId }: AdminReference): Promise<Principal> {
    if (apiKeyId !== "") return apiKeys.recheck(apiKeyId);
    const admin = await admins.get(adminId);
    if (admin?.enabled && admin.generation === generation) return principalOf(admin);
    throw expiredToken("the account was changed since");
  }

  return { issue, logIn: counted(logIn, deps.meter), check, recheck };
}

/** Counts logins by their result. */
function counted(logIn: Authentication["logIn"], meter: Meter): Authentication["logIn"] {
  const count = (result: string) => meter.count("sealpost_login_total", { result });
  return async (...login) => {
    try {
      const session = await logIn(...login);
      count("ok");
      return session;
    } catch (error) {
      count(error instanceof SealpostError ? error.code : "internal");
      throw error;
    }
  };
}

/** Returns the admins that a login may mean, in order. With a realm, that of the realm, else the local one. */
function namesOf(username: string, realm: string | null): readonly AdminName[] {
  const local = { username, realm: "" };
  if (realm !== null) return [{ username, realm }, local];
  const at = username.lastIndexOf("@");
  // A local admin may have an `@` in the name.
  return at > 0 ? [local, { username: username.slice(0, at), realm: username.slice(at + 1) }] : [local];
}

/**
 * A failure counts for every admin that the login may mean, in any letter case, whether one of them exists or not: the
 * limit must not reveal which.
 */
async function limitsOf(names: readonly AdminName[], client: string): Promise<readonly RateLimit[]> {
  const keys = new Set(names.map((name) => nameKey(displayName(name))));
  // Users sometimes type a password into the name field, so only its digest is stored.
  const typed = await Promise.all([...keys].map(hashText));
  const bounds = { windowSeconds: WINDOW_SECONDS };
  return [
    ...typed.map((key) => ({
      key: `login:${key}:${client}`,
      max: MAX_FAILURES_PER_NAME_AND_ADDRESS,
      ...bounds,
    })),
    { key: `login:${client}`, max: MAX_FAILURES_PER_ADDRESS, ...bounds },
  ];
}

function principalOf({ id, username, realm, generation }: Admin): Principal {
  return { adminId: id, username, realm, generation, apiKey: null };
}

function isBusy(error: unknown): boolean {
  return error instanceof SealpostError && error.code === "busy";
}

function wrongCredentials(): SealpostError {
  return new SealpostError("wrong_credentials", "Authentication failure. Wrong credentials");
}

function wrongRole(): SealpostError {
  return new SealpostError(
    "wrong_role",
    "Authentication failure. You do not have the necessary role (['admin']) to access this resource!",
  );
}
