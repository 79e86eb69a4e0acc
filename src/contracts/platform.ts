/** Clock and randomness. Passed in, so that a test can compare a signed message byte for byte. */
export interface Platform {
  /** The current time. */
  now(): Date;
  /** Fresh cryptographically strong random bytes. */
  randomBytes(length: number): Uint8Array<ArrayBuffer>;
}

/** Cost of one scrypt hash (RFC 7914 section 2). */
export interface PasswordCost {
  /** Binary logarithm of N. */
  readonly ln: number;
  /** Block size. */
  readonly r: number;
  /** Parallelization. */
  readonly p: number;
}

/**
 * Computes a scrypt hash of 32 bytes (RFC 7914).
 * @param password in UTF-8.
 */
export type Scrypt = (password: Uint8Array, salt: Uint8Array, cost: PasswordCost) => Promise<Uint8Array>;
