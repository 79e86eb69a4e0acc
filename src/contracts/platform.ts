/** Clock and randomness. Passed in, so that a test can compare a signed message byte for byte. */
export interface Platform {
  /** The current time. */
  now(): Date;
  /** Fresh cryptographically strong random bytes. */
  randomBytes(length: number): Uint8Array<ArrayBuffer>;
}
