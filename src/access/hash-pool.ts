import { setTimeout } from "node:timers/promises";
import { getLogger } from "@logtape/logtape";
import { SealpostError } from "../errors.ts";
import { FairQueue } from "./fair-queue.ts";

const log = getLogger(["sealpost", "access"]);

/** Bounds the memory and the wait that a flood of logins causes: about 13 s of hashes at the default cost. */
const MAX_WAITING = 64;
/** A person gives up later, and the slot of a login attempt outlives the wait and the hash (storage/attempt-slots). */
const MAX_WAIT_MS = 8_000;
/** Items far behind look less often. */
const POLL_INTERVAL_MS = 2;
const MAX_POLL_INTERVAL_MS = 32;
/** A request that Workers cut off never polls again. */
const ABANDONED_MS = 2_000;
/** No hash takes this long: its request was cut off while it ran. */
const MAX_RUN_MS = 10_000;
/** By then a good part of the queue has moved. */
const RETRY_AFTER_SECONDS = 5;
/** A flood is one line in the log, not one for each login. */
const WARNING_INTERVAL_MS = 60_000;

/** On whose behalf a password is hashed. */
export interface HashCaller {
  /** `clientNetwork` of the client; `null` for the operator, whose hashes are never rejected. */
  readonly client: string | null;
  /** Its signal is aborted when the client hangs up; a hash that runs is not interrupted. Read only if the caller waits. */
  readonly request?: Pick<Request, "signal"> | undefined;
}

interface Ticket {
  /** On the clock of `performance.now()`. */
  polledMs: number;
  isEvicted: boolean;
}

/**
 * Runs costly work, a few at a time. Password hashes share their thread pool with WebCrypto on Bun: as many hashes as
 * threads would delay every token signature. Clients take turns, so a flood from one delays the others little.
 *
 * Waiters poll, because a request on Workers cannot await another request's promise.
 */
export class HashPool {
  readonly #maxRunning: number;
  readonly #queue = new FairQueue<Ticket>();
  /** When each started, on the clock of `performance.now()`. */
  readonly #running = new Map<Ticket, number>();
  #warnedMs = Number.NEGATIVE_INFINITY;

  /** @param maxRunning hashes at a time, at least 1; below the number of threads that WebCrypto shares. */
  constructor(maxRunning: number) {
    this.#maxRunning = Math.max(1, maxRunning);
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
    const ticket: Ticket = { polledMs: performance.now(), isEvicted: false };
    await this.#acquire(ticket, caller);
    try {
      return await work();
    } finally {
      this.#running.delete(ticket);
    }
  }

  async #acquire(ticket: Ticket, { client, request }: HashCaller): Promise<void> {
    if (this.#start(ticket)) return;
    const signal = request?.signal;
    if (client !== null) this.#makeRoom(client);
    const line = client ?? "";
    this.#queue.add(line, ticket);
    const endMs = client === null ? Number.POSITIVE_INFINITY : performance.now() + MAX_WAIT_MS;
    try {
      do {
        await this.#poll(ticket, line, signal);
        if (ticket.isEvicted || performance.now() > endMs) throw busy();
      } while (!this.#start(ticket));
    } finally {
      this.#queue.remove(ticket);
    }
  }

  async #poll(ticket: Ticket, line: string, signal: AbortSignal | undefined): Promise<void> {
    const index = this.#queue.indexOf(ticket);
    // A process that stood still makes live requests look abandoned.
    if (index === null && !ticket.isEvicted) this.#queue.add(line, ticket);
    const intervalMs = Math.min(POLL_INTERVAL_MS * ((index ?? 0) + 1), MAX_POLL_INTERVAL_MS);
    await setTimeout(intervalMs, undefined, signal && { signal }).catch((cause) => {
      throw busy(cause);
    });
    ticket.polledMs = performance.now();
  }

  /** Starts the ticket if a place is free and no other is before it. */
  #start(ticket: Ticket): boolean {
    const nowMs = performance.now();
    for (const [other, startMs] of this.#running) {
      if (startMs + MAX_RUN_MS < nowMs) this.#running.delete(other);
    }
    if (this.#running.size >= this.#maxRunning) return false;
    let next = this.#queue.next();
    while (next !== undefined && next !== ticket && next.polledMs + ABANDONED_MS < nowMs) {
      this.#queue.remove(next);
      next = this.#queue.next();
    }
    if (next !== undefined && next !== ticket) return false;
    this.#queue.shift();
    this.#running.set(ticket, nowMs);
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
