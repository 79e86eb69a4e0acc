import type { Platform } from "../contracts/platform.ts";

/** The world as it is. */
export const PLATFORM: Platform = {
  now: () => new Date(),
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
};
