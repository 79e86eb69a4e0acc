import { setTimeout } from "node:timers/promises";
import { getLogger } from "@logtape/logtape";
import { siteOf } from "../domain/network.ts";
import { SealpostError } from "../errors.ts";
import { FairQueue } from "./fair-queue.ts";

const log = getLogger(["sealpost", "access"]);

/** Bounds the memory and the wait in a flood of logins: about 13 s of hashes at the default cost. */
const MAX_WAITING = 64;
/** Shorter than users are willing to wait. Together with the hash, shorter than the lifetime of an attempt slot (storage/attempt-slots). */
const MAX_WAIT_MS = 8_000;
/** Waiters far back poll less often. */
const POLL_INTERVAL_MS = 2;
const MAX_POLL_INTERVAL_MS = 32;
/** A waiter that has not polled for this long belongs to a request that Workers cut off. */
const ABANDONED_MS = 2_000;
/** No hash takes this long: its request was cut off while it ran. */
const MAX_RUN_MS = 10_000;
/** By then, much of the queue has been served. */
const RETRY_AFTER_SECONDS = 5;
/** A flood is one log line, not one for each login. */
const WARNING_INTERVAL_MS = 60_000;

/** The caller that needs a password hash. */
export interface HashCaller {
  /** `clientNetwork` of the client; `null` for the operator, whose hashes are never rejected. */
  readonly client: string | null;
  /** Its signal is aborted when the client hangs up. It ends the wait but not a running hash. */
  readonly request?: Pick<Request, "signal"> | undefined;
}

interface Waiter {
  /** Time of its last poll, on the clock of `performance.now()`. */
  polledMs: number;
  isEvicted: boolean;
}

/**
 * Runs expensive work, a few at a time. Password hashes share their thread pool with WebCrypto on Bun: as many hashes as
 * threads would delay every token signature. Sites take turns, and the clients of each, so a flood from one delays the
 * others little.
 *
 * Waiters poll, because a request on Workers cannot await another request's promise.
 */
export class HashPool {
  readonly #maxRunning: number;
  readonly #queue = new FairQueue<Waiter>(siteOf);
  /** Start times, on the clock of `performance.now()`. */
  readonly #running = new Map<Waiter, number>();
  #warnedMs = Number.NEGATIVE_INFINITY;

  /** @param maxRunning concurrent hashes, at least 1; use fewer than the threads that WebCrypto shares. */
  constructor(maxRunning: number) {
    this.#maxRunning = Math.max(1, maxRunning);
  }

  /** The number of hashes that wait for their turn. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** @throws {SealpostError} `busy` if {@link run} would reject this client now. */
  assertRoom({ client }: HashCaller): void {
    if (client !== null && this.#isFull() && this.#queue.surplus(client) === undefined) throw this.#full();
  }

  /**
   * Waits for a turn and runs the work.
   * @throws {SealpostError} `busy` if the queue is full, the wait is longer than 8 s or the client hangs up.
   */
  async run<T>(work: () => Promise<T>, caller: HashCaller): Promise<T> {
    const waiter: Waiter = { polledMs: performance.now(), isEvicted: false };
    await this.#acquire(waiter, caller);
    try {
      return await work();
    } finally {
      this.#running.delete(waiter);
    }
  }

  async #acquire(waiter: Waiter, { client, request }: HashCaller): Promise<void> {
    if (this.#start(waiter)) return;
    const signal = request?.signal;
    if (client !== null) this.#makeRoom(client);
    const line = client ?? "";
    this.#queue.add(line, waiter);
    const endMs = client === null ? Number.POSITIVE_INFINITY : performance.now() + MAX_WAIT_MS;
    try {
      do {
        await this.#poll(waiter, line, signal);
        if (waiter.isEvicted || performance.now() > endMs) throw busy();
      } while (!this.#start(waiter));
    } finally {
      this.#queue.remove(waiter);
    }
  }

  async #poll(waiter: Waiter, line: string, signal: AbortSignal | undefined): Promise<void> {
    const index = this.#queue.indexOf(waiter);
    // After the process was suspended, live requests look abandoned.
    if (index === null && !waiter.isEvicted) this.#queue.add(line, waiter);
    const intervalMs = Math.min(POLL_INTERVAL_MS * ((index ?? 0) + 1), MAX_POLL_INTERVAL_MS);
    await setTimeout(intervalMs, undefined, signal && { signal }).catch((cause) => {
      throw busy(cause);
    });
    waiter.polledMs = performance.now();
  }

  /** Starts the work if there is room and no other waiter is first. */
  #start(waiter: Waiter): boolean {
    const nowMs = performance.now();
    for (const [other, startMs] of this.#running) {
      if (startMs + MAX_RUN_MS < nowMs) this.#running.delete(other);
    }
    if (this.#running.size >= this.#maxRunning) return false;
    let next = this.#queue.next();
    while (next !== undefined && next !== waiter && next.polledMs + ABANDONED_MS < nowMs) {
      this.#queue.remove(next);
      next = this.#queue.next();
    }
    if (next !== undefined && next !== waiter) return false;
    this.#queue.shift();
    this.#running.set(waiter, nowMs);
    return true;
  }

  #isFull(): boolean {
    return this.#queue.size >= MAX_WAITING;
  }

  /** @throws {SealpostError} `busy` if no other client waits with more than its share. */
  #makeRoom(client: string): void {
    if (!this.#isFull()) return;
    const surplus = this.#queue.surplus(client);
    if (surplus === undefined) throw this.#full();
    surplus.isEvicted = true;
    this.#queue.remove(surplus);
  }

  #full(): SealpostError {
    const nowMs = performance.now();
    if (this.#warnedMs + WARNING_INTERVAL_MS < nowMs) {
      this.#warnedMs = nowMs;
      log.warning("{waiting} password hashes wait: logins are rejected", { waiting: this.#queue.size });
    }
    return busy();
  }
}

function busy(cause?: unknown): SealpostError {
  const message = `Too many logins at the moment: try again in ${RETRY_AFTER_SECONDS} seconds`;
  return new SealpostError("busy", message, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });
}
