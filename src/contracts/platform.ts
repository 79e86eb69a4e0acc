/** What differs between a test and the world; passed in, so a signed mail can be compared byte for byte. */
export interface Platform {
  /** The current time. */
  now(): Date;
  /** Fresh cryptographically strong random bytes. */
  randomBytes(length: number): Uint8Array<ArrayBuffer>;
}
