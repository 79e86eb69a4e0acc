import type { PasswordCost, Platform, Scrypt } from "../contracts/platform.ts";
import { hashPassword, verifyPassword } from "../secrets/password.ts";
import type { HashCaller, HashPool } from "./hash-pool.ts";
import type { PasswordPurpose } from "./password-rule.ts";

/** Hashes and verifies passwords in the one pool of an instance. */
export interface Passwords {
  /** @throws {SealpostError} `busy` if there is no room for this caller; checked before a login writes anything. */
  assertRoom(caller: HashCaller): void;
  /**
   * Checks a new password: its length, and that it is neither common nor the name of its user.
   * @throws {SealpostError} `invalid_parameter` for `password`.
   */
  assertAllowed(password: string, purpose: PasswordPurpose): Promise<void>;
  /**
   * Hashes a password with a fresh salt.
   * @returns a PHC string.
   * @throws {SealpostError} `invalid_parameter` for more than 1,024 bytes; `busy`.
   */
  hash(password: string, caller: HashCaller): Promise<string>;
  /**
   * Compares a password with a stored hash. `null` (no such user) takes as long and never matches.
   * @throws {SealpostError} `busy`.
   */
  verify(
    password: string,
    phc: string | null,
    caller: HashCaller,
  ): Promise<{ readonly ok: boolean; readonly rehash: boolean }>;
}

export function createPasswords(deps: {
  readonly pool: HashPool;
  readonly passwordCost: PasswordCost;
  readonly platform: Pick<Platform, "randomBytes">;
  /** Default: on this machine. */
  readonly scrypt?: Scrypt | undefined;
}): Passwords {
  const { pool, passwordCost: cost, scrypt } = deps;
  const { randomBytes } = deps.platform;
  return {
    assertRoom: (caller) => pool.assertRoom(caller),
    async assertAllowed(password, purpose) {
      // Few requests set a password, so the list is loaded for them only.
      const { assertAllowed } = await import("./password-rule.ts");
      assertAllowed(password, purpose);
    },
    hash: (password, caller) => pool.run(() => hashPassword(password, { randomBytes, cost, scrypt }), caller),
    verify: (password, phc, caller) =>
      pool.run(() => verifyPassword(password, phc, { cost, scrypt }), caller),
  };
}
