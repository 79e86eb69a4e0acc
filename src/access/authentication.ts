import type { Platform } from "../contracts/platform.ts";
import type { Admin, Principal } from "../domain/admin.ts";
import { clientNetwork } from "../domain/network.ts";
import { SealpostError } from "../errors.ts";
import { hashPassword, type PasswordCost, verifyPassword } from "../secrets/password.ts";
import type { AdminRepository } from "../storage/admins.ts";
import type { Database } from "../storage/database.ts";
import type { BeginTry } from "./limits.ts";
import { expiredToken, type TokenClaims, type Tokens } from "./tokens.ts";

/** RFC-less but customary: enough for typing errors, too few for guessing. */
const TRIES_PER_NAME_AND_ADDRESS = 10;
const TRIES_PER_ADDRESS = 100;
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
  readonly tokens: Tokens;
  readonly passwordCost: PasswordCost;
  readonly beginTry: BeginTry;
  /** The rights of an admin at this moment; they inform the client and decide nothing. */
  readonly rights: (principal: Principal, client: string | null) => Promise<readonly string[]>;
  readonly platform: Platform;
}) {
  const { database, admins, tokens, beginTry, platform, passwordCost: cost } = parts;

  /** `user@realm` is tried as a whole name first: local admins may have an `@` in theirs. */
  async function findAdmin(username: string, realm: string | null): Promise<Admin | undefined> {
    if (realm !== null) return admins.find(username, realm);
    const at = username.lastIndexOf("@");
    const whole = await admins.find(username, "");
    return whole ?? (at > 0 ? admins.find(username.slice(0, at), username.slice(at + 1)) : undefined);
  }

  async function rehash(admin: Admin, password: string): Promise<void> {
    const hash = await hashPassword(password, { randomBytes: platform.randomBytes, cost });
    await database.commit([admins.rehash(admin.id, admin.passwordHash, hash)]);
  }

  /** A token for an admin who is known to be who he says. */
  async function issue(admin: Admin, client: string | null): Promise<LoginResult> {
    const { id, username, realm, generation } = admin;
    const principal = { adminId: id, username, realm };
    const rights = await parts.rights(principal, client);
    const claims = { username, realm, role: ADMIN_ROLE, rights: [...rights], admin_id: id, generation };
    return { token: await tokens.issue(claims), principal, rights };
  }

  return {
    issue,

    /**
     * @throws {SealpostError} `wrong_credentials`, alike and after like time for every reason; `too_many_tries`.
     */
    async logIn(
      username: string,
      password: string,
      options: { readonly realm: string | null; readonly client: string | null },
    ): Promise<LoginResult> {
      const address = options.client === null ? "unknown" : clientNetwork(options.client);
      const typed = await sha256(`${username}@${options.realm ?? ""}`);
      const limits = [
        { key: `login:${typed}:${address}`, most: TRIES_PER_NAME_AND_ADDRESS },
        { key: `login:${address}`, most: TRIES_PER_ADDRESS },
      ];
      const attempt = await beginTry(limits, WINDOW_SECONDS);
      let outcome: "failed" | "succeeded" = "failed";
      try {
        const admin = await findAdmin(username, options.realm);
        const verdict = await verifyPassword(password, admin?.passwordHash ?? null, { cost });
        if (!admin?.enabled || !verdict.ok) throw wrongCredentials();
        outcome = "succeeded";
        if (verdict.rehash) await rehash(admin, password);
        return await issue(admin, options.client);
      } finally {
        await attempt.settle(outcome);
      }
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
      return { adminId: admin.id, username: admin.username, realm: admin.realm };
    },
  };
}

function stillValid(admin: Admin, claims: TokenClaims): boolean {
  return admin.enabled && admin.generation === claims.generation;
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
