import type { Database } from "../contracts/database.ts";
import type { Admin, Principal } from "../domain/admin.ts";
import { clientNetwork } from "../domain/network.ts";
import { SealpostError } from "../errors.ts";
import type { AdminRepository } from "../storage/admins.ts";
import { type AdminTokens, expiredToken, type TokenClaims } from "./admin-tokens.ts";
import type { HashCaller } from "./hash-pool.ts";
import type { Passwords } from "./passwords.ts";
import type { AuditRecord, ReserveAttempt } from "./rate-limit.ts";

/** Customary: enough for typing errors, too few for guessing. */
const MAX_FAILURES_PER_NAME_AND_ADDRESS = 10;
const MAX_FAILURES_PER_ADDRESS = 100;
const WINDOW_SECONDS = 600;
const ADMIN_ROLE = "admin";

export interface LoginResult {
  readonly token: string;
  readonly principal: Principal;
  readonly rights: readonly string[];
}
export type Authentication = ReturnType<typeof createAuthentication>;

/** Log-in by password, and the check of the token that it gives. */
export function createAuthentication(parts: {
  readonly database: Database;
  readonly admins: AdminRepository;
  readonly tokens: AdminTokens;
  readonly passwords: Passwords;
  readonly reserveAttempt: ReserveAttempt;
  /** The rights of an admin at this moment; they inform the client and decide nothing. */
  readonly rights: (principal: Principal, client: string | null) => Promise<readonly string[]>;
}) {
  const { database, admins, tokens, reserveAttempt, passwords } = parts;

  /** `user@realm` is tried as a whole name first: local admins may have an `@` in theirs. */
  async function findAdmin(username: string, realm: string | null): Promise<Admin | undefined> {
    if (realm !== null) return admins.find(username, realm);
    const at = username.lastIndexOf("@");
    const whole = await admins.find(username, "");
    return whole ?? (at > 0 ? admins.find(username.slice(0, at), username.slice(at + 1)) : undefined);
  }

  /** A login does not fail for want of a better hash: the next one renews it. */
  async function rehash(admin: Admin, password: string, caller: HashCaller): Promise<void> {
    try {
      const hash = await passwords.hash(password, caller);
      await database.commit([admins.rehash(admin.id, admin.passwordHash, hash)]);
    } catch (error) {
      if (!isBusy(error)) throw error;
    }
  }

  /** A token for an admin who is known to be who he says. */
  async function issue(admin: Admin, client: string | null): Promise<LoginResult> {
    const { id, username, realm, generation } = admin;
    const principal = principalOf(admin);
    const rights = await parts.rights(principal, client);
    const claims = { username, realm, role: ADMIN_ROLE, rights: [...rights], admin_id: id, generation };
    return { token: await tokens.issue(claims), principal, rights };
  }

  return {
    issue,

    /**
     * Logs an admin in.
     * @param options.client address of the client; `null` if unknown.
     * @param options.request whose client may hang up while its login waits.
     * @throws {SealpostError} `wrong_credentials`, alike and after like time for every reason; `too_many_tries`; `busy`.
     */
    async logIn(
      username: string,
      password: string,
      options: {
        readonly realm: string | null;
        readonly client: string | null;
        readonly request?: Pick<Request, "signal">;
        /** The audit row of the verdict, committed with it. @param principal null: the login is rejected. */
        readonly record?: (principal: Principal | null) => AuditRecord;
      },
    ): Promise<LoginResult> {
      const client = options.client === null ? "unknown" : clientNetwork(options.client);
      const caller = { client, request: options.request };
      // A flood must not cost a commit for each attempt that is rejected anyway.
      passwords.assertRoom(caller);
      const typed = await sha256(`${username}@${options.realm ?? ""}`);
      const limits = [
        {
          key: `login:${typed}:${client}`,
          max: MAX_FAILURES_PER_NAME_AND_ADDRESS,
          windowSeconds: WINDOW_SECONDS,
        },
        { key: `login:${client}`, max: MAX_FAILURES_PER_ADDRESS, windowSeconds: WINDOW_SECONDS },
      ];
      const attempt = await reserveAttempt(limits);
      const verify = async () => {
        const admin = await findAdmin(username, options.realm);
        const verdict = await passwords.verify(password, admin?.passwordHash ?? null, caller);
        return { admin: admin?.enabled && verdict.ok ? admin : null, ...verdict };
      };
      const { admin, rehash: isOutdated } = await verify().catch(async (error) => {
        // If this fails too, the slot expires by itself.
        await attempt.finish("withdrawn").catch(() => undefined);
        throw error;
      });
      const record = options.record?.(admin && principalOf(admin));
      await attempt.finish(admin ? "succeeded" : "failed", record);
      if (!admin) throw wrongCredentials();
      if (isOutdated) await rehash(admin, password, caller);
      return issue(admin, options.client);
    },

    /**
     * The admin behind a token, as the database knows him now.
     * @throws {SealpostError} `bad_token`, `expired_token`, `wrong_role`.
     */
    async check(token: string): Promise<Principal> {
      const claims = await tokens.read(token);
      if (claims.role !== ADMIN_ROLE) throw wrongRole();
      const admin = await admins.get(claims.admin_id);
      if (!admin || !stillValid(admin, claims)) throw expiredToken("the account was changed since");
      return principalOf(admin);
    },
  };
}

function principalOf({ id, username, realm }: Admin): Principal {
  return { adminId: id, username, realm };
}

function stillValid(admin: Admin, claims: TokenClaims): boolean {
  return admin.enabled && admin.generation === claims.generation;
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

/** What was typed as a name may be a password typed in the wrong field, so only its digest is kept. */
async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(digest).toBase64({ alphabet: "base64url", omitPadding: true });
}
