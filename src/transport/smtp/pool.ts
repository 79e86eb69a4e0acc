import { BoundedCache } from "../../domain/bounded-cache.ts";
import type { Endpoint } from "../../domain/smtp-server.ts";
import type { SmtpConnection } from "./connection.ts";
import { type Clock, PoolGroup, type PoolLimits } from "./pool-group.ts";
import type { AcquireOptions, PoolSlot, ServerMemory } from "./pool-slot.ts";

/** Period for which facts are kept without use. */
const FORGET_MS = 3_600_000;
const MAX_SERVERS = 1_000;

/**
 * Limits and keeps connections per key. Deliveries get them in order of arrival. Also keeps facts learned about each
 * server, by host and port.
 */
export class Pool implements AsyncDisposable {
  readonly #limits: PoolLimits;
  readonly #clock: Clock;
  readonly #groups = new Map<string, PoolGroup>();
  readonly #memories = new BoundedCache<ServerMemory>(MAX_SERVERS);
  /** Connections that are being closed. */
  readonly #closing = new Set<Promise<void>>();
  /** Number of slots that are not released. */
  #held = 0;
  readonly #onRelease = new Set<() => void>();
  #isClosed = false;

  constructor(limits: PoolLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /**
   * Waits for the right to one connection. A `null` key has no limit and keeps no connection.
   * @throws the reason for which the timer stopped, or an error once the pool is disposed of.
   */
  async acquire(key: string | null, options: AcquireOptions): Promise<PoolSlot> {
    if (this.#isClosed) throw closedError();
    const { stopped } = options.timer;
    if (stopped !== null) throw stopped.reason;
    if (key !== null) return this.#group(key).acquire(options);
    const release = this.#hold(this.#retire);
    return { idle: null, hasOthers: false, next: () => null, yield: () => release(null), release };
  }

  /** Returns the number of connections in use or idle, by key. */
  openConnections(): ReadonlyMap<string, number> {
    return new Map([...this.#groups].map(([key, group]) => [key, group.size]));
  }

  /** Returns the facts learned about a server, to be changed by the deliveries to it. */
  memoryOf({ host, port }: Pick<Endpoint, "host" | "port">): ServerMemory {
    const key = `${host} ${port}`;
    const nowMs = this.#clock.nowMs();
    const known = this.#memories.get(key);
    if (known !== undefined && nowMs - known.usedAtMs < FORGET_MS) {
      known.usedAtMs = nowMs;
      return known;
    }
    const memory: ServerMemory = {
      idleMs: this.#limits.idleMs,
      noBdatUntilMs: Number.NEGATIVE_INFINITY,
      noPreparingUntilMs: Number.NEGATIVE_INFINITY,
      acceptsBdat: false,
      acceptsReset: false,
      leaving: null,
      usedAtMs: nowMs,
    };
    this.#memories.set(key, memory);
    return memory;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const group of this.#groups.values()) group.close(closedError());
    // Each release adds the QUIT of its connection.
    while (this.#held > 0 || this.#closing.size > 0) {
      await (this.#closing.size > 0 ? Promise.all(this.#closing) : this.#untilReleased());
    }
  }

  #untilReleased(): Promise<void> {
    return new Promise((resolve) => this.#onRelease.add(resolve));
  }

  #group(key: string): PoolGroup {
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const group = new PoolGroup({
      limits: this.#limits,
      clock: this.#clock,
      hold: this.#hold,
      retire: this.#retire,
      isClosed: () => this.#isClosed,
      onEmpty: () => this.#groups.delete(key),
    });
    this.#groups.set(key, group);
    return group;
  }

  /** Counts a slot, for whose release dispose waits. @returns the function that releases it, once. */
  readonly #hold = (release: PoolSlot["release"]): PoolSlot["release"] => {
    this.#held++;
    let isHeld = true;
    return (connection) => {
      if (!isHeld) return;
      isHeld = false;
      release(connection);
      this.#held--;
      for (const resolve of this.#onRelease) resolve();
    };
  };

  /** Closes a connection in the background. */
  readonly #retire = (connection: SmtpConnection | null): void => {
    if (connection === null) return;
    const closing = connection.quit();
    this.#closing.add(closing);
    void closing.finally(() => this.#closing.delete(closing));
  };
}

function closedError(): Error {
  return new Error("The transport is closed");
}
