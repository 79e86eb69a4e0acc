import { setImmediate } from "node:timers/promises";

/**
 * Shares a read among the callers with the same key that come within one tick of the event loop. It starts after all of
 * them, so what it returns is older than none.
 */
export function shareRead<T>(read: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const reads = new Map<string, Promise<T>>();

  async function start(key: string): Promise<T> {
    await setImmediate();
    reads.delete(key);
    return read(key);
  }

  return (key) => {
    const shared = reads.get(key) ?? start(key);
    reads.set(key, shared);
    return shared;
  };
}
