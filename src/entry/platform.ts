import type { Platform } from "../contracts/platform.ts";

/** The world as it is, and the promises that outlive their request. */
export interface LocalPlatform extends Platform {
  /** Resolves when every deferred promise is settled. */
  drain(): Promise<void>;
}

export function createLocalPlatform(): LocalPlatform {
  const deferred = new Set<Promise<unknown>>();
  return {
    now: () => new Date(),
    randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    defer(promise) {
      deferred.add(promise);
      const forget = () => deferred.delete(promise);
      promise.then(forget, forget);
    },
    async drain() {
      await Promise.allSettled(deferred);
    },
  };
}
