import { keyForm } from "./problem.ts";

/**
 * Rounds of PBKDF2 that all keys of one text may cost together: about a second of one core. NSS writes files that need
 * half of this.
 */
const MAX_ROUNDS = 6_000_000;

/** Bounds the work that one text can cause, however many keys it derives. */
export class Cost {
  #left = MAX_ROUNDS;

  /** @throws {IdentityError} if the work would exceed the bound. Nothing of it is done then. */
  spend(rounds: number, what: string): void {
    this.#left -= rounds;
    if (this.#left < 0) throw tooCostly(what);
  }
}

/** The error for work with which a hostile text could block the process. @param what such as `PBKDF2 with 9 iterations` */
export function tooCostly(what: string, options?: ErrorOptions): Error {
  return keyForm(
    `The private key is encrypted with ${what}, more than is allowed. Encrypt it at a lower cost: ` +
      "openssl pkcs8 -topk8 -v2 aes256 -in key.pem -out key8.pem",
    options,
  );
}
