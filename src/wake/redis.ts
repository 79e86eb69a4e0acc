import { getLogger } from "@logtape/logtape";
import type { Redis, RedisOptions } from "ioredis";
import { loadOptional } from "../async/load-optional.ts";
import type { Secret } from "../domain/secret.ts";

const log = getLogger(["sealpost", "wake"]);

/** For a server nearby: a slower connection counts as a failure. */
const CONNECT_MS = 2_000;
/** Pauses between attempts to reconnect grow up to this. */
const MAX_PAUSE_MS = 2_000;
const PAUSE_STEP_MS = 50;

export const loadRedis = () => loadOptional("ioredis", "SEALPOST_WAKE=bullmq", () => import("ioredis"));

/** The Redis connections of one wake. They reconnect automatically; the log has one line for an outage and one for its end. */
export interface RedisConnections {
  /**
   * Opens a connection without waiting for it.
   * @throws {TypeError} for an invalid URL; the message does not repeat it.
   */
  open(options: RedisOptions): Promise<Redis>;
  /** Whether a connection has already reported this error. */
  isReported(error: unknown): boolean;
}

/** @param url `redis://` or `rediss://`. It may contain a password, so it is never logged. */
export function createRedisConnections(url: Secret): RedisConnections {
  const unavailable = new Set<Redis>();
  const reported = new WeakSet<object>();

  const watch = (redis: Redis): Redis => {
    redis.on("error", (error: Error) => {
      reported.add(error);
      if (unavailable.size === 0)
        log.warning("Redis is unavailable ({reason}): queued mail waits for the sweep", {
          reason: reasonOf(error),
        });
      unavailable.add(redis);
    });
    redis.on("ready", () => {
      if (unavailable.delete(redis) && unavailable.size === 0) log.info("Redis is available again");
    });
    redis.on("end", () => unavailable.delete(redis));
    // BullMQ duplicates its first connection to open a second one.
    const duplicate = redis.duplicate.bind(redis);
    redis.duplicate = (override) => watch(duplicate(override));
    return redis;
  };

  return {
    async open(options) {
      const { Redis } = await loadRedis();
      if (!URL.canParse(url.reveal())) throw new TypeError("The URL of Redis is invalid");
      const redis = new Redis(url.reveal(), {
        connectTimeout: CONNECT_MS,
        retryStrategy: (times) => Math.min(times * PAUSE_STEP_MS, MAX_PAUSE_MS),
        ...options,
      });
      return watch(redis);
    },
    isReported: (error) => error instanceof Error && reported.has(error),
  };
}

/** The place in a script, which Redis appends to the reason for which a command of it failed. */
const SCRIPT = / script: [\da-f]{40}, on @user_script:\d+\.?$/;

/**
 * Returns the part of an error that is safe to log: a command error contains arguments, such as AUTH's password. The same
 * reason in another script is the same.
 */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  return error.message.replace(SCRIPT, "") || ("code" in error ? String(error.code) : error.name);
}
