import type { Platform } from "../contracts/platform.ts";

/** The real clock and real randomness. */
export const PLATFORM: Platform = {
  now: () => new Date(),
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
};
