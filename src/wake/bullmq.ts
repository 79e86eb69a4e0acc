import { getLogger } from "@logtape/logtape";
import type { Job, Queue, Worker } from "bullmq";
import type { Redis } from "ioredis";
import type { Wake, WakeSource } from "../contracts/wake.ts";
import type { Secret } from "../domain/secret.ts";
import { closedError } from "./closed.ts";
import { hear, type Listener } from "./receive.ts";
import { createRedisLine, type RedisLine, reasonOf } from "./redis.ts";

const log = getLogger(["sealpost", "wake"]);

/** Redis tells at once; the sweep is for what it lost. */
const SWEEP_MS = 15_000;
/** A request waits for `notify`, and its mail is already safe. */
const NOTIFY_MS = 2_000;
/** Time to give back what is held; what is not is taken from us when its lock ends. */
const CLOSE_MS = 1_000;
/** Wakes that one listener hears at the same time; the others are for other machines. */
const DEFAULT_CONCURRENCY = 20;

// Only when it is needed: a server that polls is spared its memory.
const library = () => import("bullmq");
const QUEUE = "wake";
const SHARED = {
  prefix: "sealpost",
  // It would print to the console, and costs a round trip.
  skipVersionCheck: true,
  // Commands fail or wait by the options of the connection.
  skipWaitingForReady: true,
} as const;

export interface BullmqWakeOptions {
  /** `redis://` or `rediss://`, with the number of a database that this instance of Sealpost has for itself. */
  readonly url: Secret;
  readonly now: () => Date;
  /** How many wakes a listener hears at the same time; another one hears the rest. Default: 20. */
  readonly concurrency?: number;
}

/**
 * The wake `bullmq`: a queue of ids in Redis; each wake is heard by one listener of all processes. BullMQ is loaded
 * when it is first used. While Redis is away `notify` rejects, at once or within two seconds, and listeners wait.
 */
export function createBullmqWake(options: BullmqWakeOptions): Wake & WakeSource {
  const { url, now, concurrency = DEFAULT_CONCURRENCY } = options;
  const line = createRedisLine(url);
  const closing = new AbortController();
  const listening = new Set<Promise<void>>();
  let producing: Promise<Producer> | null = null;

  return {
    name: "bullmq",
    sweepMs: SWEEP_MS,
    async notify(mailIds, { notBefore } = {}) {
      if (closing.signal.aborted) throw closedError();
      if (mailIds.length === 0) return;
      producing ??= createProducer(line);
      const producer = await producing;
      const delayMs = notBefore === undefined ? 0 : Math.max(0, notBefore.getTime() - now().getTime());
      const jobs = mailIds.map((mailId) => toJob(mailId, delayMs, notBefore));
      await within(NOTIFY_MS, addTo(producer, jobs));
    },
    async listen(on, { signal }) {
      if (closing.signal.aborted) throw closedError();
      if (signal.aborted) return;
      const ending = aborted(AbortSignal.any([signal, closing.signal]));
      const hearing = listenTo(line, { on, concurrency, ending });
      listening.add(hearing);
      await hearing.finally(() => listening.delete(hearing));
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

async function createProducer(line: RedisLine): Promise<Producer> {
  const { Queue } = await library();
  // Nothing is kept for later: a wake that comes late is worth nothing.
  const redis = await line.open({
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: NOTIFY_MS,
    // A connection that is dead without saying so is replaced.
    socketTimeout: NOTIFY_MS,
  });
  const queue = new Queue(QUEUE, { ...SHARED, connection: redis, skipMetasUpdate: true });
  queue.on("error", createErrorLog(line).log);
  return { redis, queue };
}

type WakeJob = Parameters<Queue["addBulk"]>[0][number];

/**
 * A wake at once has an id of its own, so it is never taken for one that is being heard. One for later is the same
 * as another for the same mail and time.
 */
function toJob(mailId: string, delayMs: number, notBefore: Date | undefined): WakeJob {
  const opts = { attempts: 1, removeOnComplete: true, removeOnFail: true };
  if (delayMs === 0 || notBefore === undefined) return { name: "mail", data: mailId, opts };
  const jobId = `${mailId}-${notBefore.getTime()}`;
  return { name: "mail", data: mailId, opts: { ...opts, delay: delayMs, jobId } };
}

async function addTo({ redis, queue }: Producer, jobs: WakeJob[]): Promise<void> {
  try {
    await connected(redis);
    await queue.addBulk(jobs);
  } catch (error) {
    throw new Error(`Redis does not take the wake: ${reasonOf(error)}`);
  }
}

/** Waits for a try to connect that is under way; between two tries Redis is taken to be away. */
function connected(redis: Redis): Promise<void> {
  if (redis.status === "ready") return Promise.resolve();
  if (redis.status !== "connecting" && redis.status !== "connect")
    return Promise.reject(new Error("there is no connection"));
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      redis.off("ready", settle).off("close", settle);
      if (redis.status === "ready") resolve();
      else reject(new Error("there is no connection"));
    };
    redis.on("ready", settle).on("close", settle);
  });
}

interface Hearing {
  readonly on: Listener;
  readonly concurrency: number;
  readonly ending: Promise<void>;
}

async function listenTo(line: RedisLine, { on, concurrency, ending }: Hearing): Promise<void> {
  const { Worker } = await library();
  const redis = await line.open({ maxRetriesPerRequest: null });
  // Whoever ends need not wait for what its listener is busy with.
  const process = ({ data }: Job) => Promise.race([hearId(on, data), ending]);
  const worker = new Worker(QUEUE, process, {
    ...SHARED,
    connection: redis,
    concurrency,
    // A wake whose listener died is not repeated: the sweep is sooner.
    maxStalledCount: 0,
    runRetryDelay: 1_000,
  });
  const errors = createErrorLog(line);
  worker.on("error", errors.log).on("active", errors.forget);
  await ending;
  await close(worker, redis);
}

async function hearId(on: Listener, data: unknown): Promise<void> {
  if (typeof data === "string") await hear(on, data);
}

async function close(worker: Worker, redis: Redis): Promise<void> {
  const isAway = redis.status !== "ready";
  await within(CLOSE_MS, worker.close(isAway)).catch((error) =>
    log.debug("Wakes are left to their locks: {reason}", { reason: reasonOf(error) }),
  );
  redis.disconnect();
}

/** Logs what BullMQ reports. It tries again and again, so what it says again is left out until it works. */
function createErrorLog(line: RedisLine) {
  let last = "";
  return {
    log(error: Error): void {
      // Those with a number are of a job that is not there any more: Redis was emptied, or the lock had ended.
      const isOfJob = "code" in error && typeof error.code === "number";
      const reason = reasonOf(error);
      if (isOfJob || line.isKnown(error) || reason === last) return;
      last = reason;
      log.warning("BullMQ met an error: {reason}", { reason });
    },
    forget(): void {
      last = "";
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** @throws if it takes longer; the promise is then left to itself. */
async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  const timeout = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => timeout.reject(new Error(`Redis took longer than ${timeoutMs} ms`)),
    timeoutMs,
  );
  try {
    return await Promise.race([promise, timeout.promise]);
  } finally {
    clearTimeout(timer);
  }
}
