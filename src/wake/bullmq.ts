import { getLogger } from "@logtape/logtape";
import type { Job, Queue, Worker } from "bullmq";
import type { Redis } from "ioredis";
import { orAborted, untilAborted, withDeadline } from "../async/abort.ts";
import { loadOptional } from "../async/load-optional.ts";
import type { Wake, WakeSource } from "../contracts/wake.ts";
import type { Secret } from "../domain/secret.ts";
import { closedError, type Listener, receiveWake } from "./receive.ts";
import { createRedisConnections, loadRedis, type RedisConnections, reasonOf } from "./redis.ts";

const log = getLogger(["sealpost", "wake"]);

/** Redis delivers wakes immediately; the sweep finds lost ones. */
const SWEEP_MS = 15_000;
/** A request waits for `notify`, and its message is already stored. */
const NOTIFY_MS = 2_000;
/** Time to return unfinished jobs; Redis takes back the others when their locks end. */
const CLOSE_MS = 1_000;
/** Different errors of an outage that are remembered. */
const MAX_REASONS = 20;
/** Wakes that one listener handles concurrently; the others are for other machines. */
const DEFAULT_CONCURRENCY = 20;

// Loaded on demand, so that a server with the wake `poll` saves the memory.
const library = () => loadOptional("bullmq", "SEALPOST_WAKE=bullmq", () => import("bullmq"));
const QUEUE = "wake";
const SHARED = {
  prefix: "sealpost",
  // The check prints to the console and costs a round trip.
  skipVersionCheck: true,
  // The options of the connection decide whether commands fail or wait.
  skipWaitingForReady: true,
} as const;

/**
 * Loads the packages of this wake ahead of its first use.
 * @throws {SealpostError} `bad_setting` naming the one that is not installed.
 */
export async function loadBullmq(): Promise<void> {
  await Promise.all([library(), loadRedis()]);
}

interface BullmqWakeOptions {
  /** `redis://` or `rediss://`, with the number of a database that no other Sealpost instance uses. */
  readonly url: Secret;
  readonly now: () => Date;
  /** Number of wakes that one listener handles concurrently; other listeners get the rest. Default: 20. */
  readonly concurrency?: number;
}

/**
 * Creates the wake `bullmq`: a queue of IDs in Redis. One listener of all processes receives each wake. BullMQ is loaded
 * on first use. While Redis is unavailable, `notify` rejects within two seconds and listeners wait.
 */
export function createBullmqWake(options: BullmqWakeOptions): Wake & WakeSource {
  const { url, now, concurrency = DEFAULT_CONCURRENCY } = options;
  const connections = createRedisConnections(url);
  const closing = new AbortController();
  const listening = new Set<Promise<void>>();
  let producing: Promise<Producer> | null = null;

  return {
    name: "bullmq",
    sweepMs: SWEEP_MS,
    async notify(mailIds, { notBefore } = {}) {
      if (closing.signal.aborted) throw closedError();
      if (mailIds.length === 0) return;
      producing ??= createProducer(connections);
      const producer = await producing;
      const delayMs = notBefore === undefined ? 0 : Math.max(0, notBefore.getTime() - now().getTime());
      const jobs = mailIds.map((mailId) => toJob(mailId, delayMs, notBefore));
      await within(NOTIFY_MS, addTo(producer, jobs));
    },
    async listen(on, { signal }) {
      if (closing.signal.aborted) throw closedError();
      if (signal.aborted) return;
      const ending = AbortSignal.any([signal, closing.signal]);
      const listener = listenTo(connections, { on, concurrency, ending });
      listening.add(listener);
      await listener.finally(() => listening.delete(listener));
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      const producer = await producing?.catch(() => null);
      producer?.redis.disconnect();
      await Promise.allSettled(listening);
    },
  };
}

interface Producer {
  readonly redis: Redis;
  readonly queue: Queue;
}

async function createProducer(connections: RedisConnections): Promise<Producer> {
  const { Queue } = await library();
  // No offline queue: a late wake is useless.
  const redis = await connections.open({
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: NOTIFY_MS,
    // Replaces a connection that is dead but not closed.
    socketTimeout: NOTIFY_MS,
  });
  const queue = new Queue(QUEUE, { ...SHARED, connection: redis, skipMetasUpdate: true });
  queue.on("error", createErrorLog(connections).log);
  return { redis, queue };
}

type WakeJob = Parameters<Queue["addBulk"]>[0][number];

/**
 * Converts a wake to a job. An immediate wake has an ID of its own, so it never counts as a duplicate of one that is
 * being handled. A delayed wake equals any other for the same message and time.
 */
function toJob(mailId: string, delayMs: number, notBefore: Date | undefined): WakeJob {
  const opts = { attempts: 1, removeOnComplete: true, removeOnFail: true };
  if (delayMs === 0 || notBefore === undefined) return { name: "mail", data: mailId, opts };
  const jobId = `${mailId}-${notBefore.getTime()}`;
  return { name: "mail", data: mailId, opts: { ...opts, delay: delayMs, jobId } };
}

async function addTo({ redis, queue }: Producer, jobs: WakeJob[]): Promise<void> {
  try {
    await untilConnected(redis);
    await queue.addBulk(jobs);
  } catch (error) {
    throw new Error(`Redis does not accept the wake: ${reasonOf(error)}`);
  }
}

/** Waits for a connection attempt in progress. Between attempts, Redis counts as unavailable. */
function untilConnected(redis: Redis): Promise<void> {
  if (redis.status === "ready") return Promise.resolve();
  if (redis.status !== "connecting" && redis.status !== "connect")
    return Promise.reject(new Error("there is no connection"));
  return new Promise((resolve, reject) => {
    const onChange = (): void => {
      redis.off("ready", onChange).off("close", onChange);
      if (redis.status === "ready") resolve();
      else reject(new Error("there is no connection"));
    };
    redis.on("ready", onChange).on("close", onChange);
  });
}

interface ListenerOptions {
  readonly on: Listener;
  readonly concurrency: number;
  readonly ending: AbortSignal;
}

async function listenTo(
  connections: RedisConnections,
  { on, concurrency, ending }: ListenerOptions,
): Promise<void> {
  const { Worker } = await library();
  const redis = await connections.open({ maxRetriesPerRequest: null });
  // Closing does not wait for a busy listener.
  const process = ({ data }: Job) => orAborted(receiveId(on, data), ending);
  const worker = new Worker(QUEUE, process, {
    ...SHARED,
    connection: redis,
    concurrency,
    // A wake whose listener died is not repeated: the sweep comes earlier.
    maxStalledCount: 0,
    runRetryDelay: 1_000,
  });
  const errors = createErrorLog(connections);
  worker.on("error", errors.log).on("active", errors.reset);
  await untilAborted(ending);
  await close(worker, redis);
}

async function receiveId(on: Listener, data: unknown): Promise<void> {
  if (typeof data === "string") await receiveWake(on, data);
}

async function close(worker: Worker, redis: Redis): Promise<void> {
  const isUnavailable = redis.status !== "ready";
  await within(CLOSE_MS, worker.close(isUnavailable)).catch((error) =>
    log.debug("Cannot return unfinished wakes to Redis: {reason}", { reason: reasonOf(error) }),
  );
  redis.disconnect();
}

/**
 * Creates the log of BullMQ's errors. BullMQ retries forever, so a repeated error is logged once until a job runs, also if
 * its two connections fail for different reasons in turn.
 */
function createErrorLog(connections: RedisConnections) {
  const reasons = new Set<string>();
  return {
    log(error: Error): void {
      // A numeric code concerns a job that no longer exists: Redis was emptied, or the lock had ended.
      const isOfJob = "code" in error && typeof error.code === "number";
      const reason = reasonOf(error);
      if (isOfJob || connections.isReported(error) || reasons.has(reason)) return;
      if (reasons.size === MAX_REASONS) reasons.clear();
      reasons.add(reason);
      log.warning("BullMQ reported an error: {reason}", { reason });
    },
    reset(): void {
      reasons.clear();
    },
  };
}

function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  return withDeadline(work, timeoutMs, () => new Error(`Redis took longer than ${timeoutMs} ms`));
}
