import type { Platform } from "../contracts/platform.ts";
import { hashPassword, type PasswordCost, verifyPassword } from "../secrets/password.ts";
import type { HashCaller, HashPool } from "./hash-pool.ts";

export type Passwords = ReturnType<typeof createPasswords>;

/** Creates the only way to hash and verify passwords: all of an instance share one pool. */
export function createPasswords(deps: {
  readonly pool: HashPool;
  readonly passwordCost: PasswordCost;
  readonly platform: Pick<Platform, "randomBytes">;
}) {
  const { pool, passwordCost: cost } = deps;
  const { randomBytes } = deps.platform;
  return {
    /** @throws {SealpostError} `busy` if there is no room for this caller; checked before a login writes anything. */
    assertRoom: (caller: HashCaller) => pool.assertRoom(caller),

    /**
     * Hashes a password with a fresh salt.
     * @returns a PHC string.
     * @throws {SealpostError} `invalid_parameter` for more than 1,024 bytes; `busy`.
     */
    hash: (password: string, caller: HashCaller) =>
      pool.run(() => hashPassword(password, { randomBytes, cost }), caller),

    /**
     * Compares a password with a stored hash. `null` (no such user) takes as long and is never right.
     * @throws {SealpostError} `busy`.
     */
    verify: (password: string, phc: string | null, caller: HashCaller) =>
      pool.run(() => verifyPassword(password, phc, { cost }), caller),
  };
}
