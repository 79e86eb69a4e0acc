import { getLogger } from "@logtape/logtape";
import type { Redis, RedisOptions } from "ioredis";
import type { Secret } from "../domain/secret.ts";

const log = getLogger(["sealpost", "wake"]);

/** For a server that is near; a try that takes longer is as good as a refusal. */
const CONNECT_MS = 2_000;
/** How long after a loss the last of the growing pauses between two tries is. */
const LONGEST_PAUSE_MS = 2_000;
const PAUSE_STEP_MS = 50;

/** The connections of one wake to Redis. They come back by themselves; an outage is logged once, and its end. */
export interface RedisLine {
  /**
   * Opens a connection; does not wait for it.
   * @throws {TypeError} for a URL that is none; the message does not repeat it.
   */
  open(options: RedisOptions): Promise<Redis>;
  /** True for an error that a connection has reported by itself. */
  isKnown(error: unknown): boolean;
}

/** @param url `redis://` or `rediss://`, which may hold a password: it is never logged. */
export function createRedisLine(url: Secret): RedisLine {
  const away = new Set<Redis>();
  const known = new WeakSet<object>();

  const watch = (redis: Redis): Redis => {
    redis.on("error", (error: Error) => {
      known.add(error);
      if (away.size === 0)
        log.warning("Redis is away, mail waits for the sweep: {reason}", { reason: reasonOf(error) });
      away.add(redis);
    });
    redis.on("ready", () => {
      if (away.delete(redis) && away.size === 0) log.info("Redis is back");
    });
    redis.on("end", () => away.delete(redis));
    // BullMQ makes its second connection of the first.
    const duplicate = redis.duplicate.bind(redis);
    redis.duplicate = (override) => watch(duplicate(override));
    return redis;
  };

  return {
    async open(options) {
      const { Redis } = await import("ioredis");
      if (!URL.canParse(url.reveal())) throw new TypeError("The URL of Redis is no URL");
      const redis = new Redis(url.reveal(), {
        connectTimeout: CONNECT_MS,
        retryStrategy: (times) => Math.min(times * PAUSE_STEP_MS, LONGEST_PAUSE_MS),
        ...options,
      });
      return watch(redis);
    },
    isKnown: (error) => error instanceof Error && known.has(error),
  };
}

/** What may be shown of an error: those of commands hold their arguments, and AUTH has the password there. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  return error.message || ("code" in error ? String(error.code) : error.name);
}
