import { BoundedCache } from "../../domain/cache.ts";
import type { Endpoint } from "../../domain/smtp-server.ts";
import type { SmtpConnection } from "./connection.ts";
import { PoolGroup } from "./pool-group.ts";
import type { Clock, PoolLimits } from "./pool-limits.ts";
import type { AcquireOptions, PoolSlot, ServerMemory } from "./pool-slot.ts";

/** Period for which facts are kept without use. */
const FORGET_MS = 3_600_000;
const MAX_SERVERS = 1_000;

/**
 * Limits and keeps connections per key, and in all. Deliveries get them in order of arrival. Also keeps facts learned
 * about each server, by host and port.
 */
export class Pool implements AsyncDisposable {
  readonly #limits: PoolLimits;
  readonly #clock: Clock;
  /** The groups by key. With a bound in all, each delivery without a key has a group of its own, under a symbol. Together they have the bound of one key. */
  readonly #groups = new Map<string | symbol, PoolGroup>();
  readonly #memories = new BoundedCache<ServerMemory>(MAX_SERVERS);
  /** Connections that are being closed. */
  readonly #closing = new Set<Promise<void>>();
  /** Number of slots that are not released, and of deliveries that wait for one or are taking one. */
  #held = 0;
  readonly #onRelease = new Set<() => void>();
  /** Number of deliveries that had to wait so far. */
  #arrivals = 0;
  #isClosed = false;

  constructor(limits: PoolLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /**
   * Waits for the right to one connection. Deliveries with a `null` key keep no connection. They count as those of one key
   * if there is a bound in all; otherwise neither they nor checks have a limit.
   * @throws the reason for which the timer stopped, or an error once the pool is disposed of.
   */
  async acquire(key: string | null, options: AcquireOptions): Promise<PoolSlot> {
    if (this.#isClosed) throw closedError();
    const { stopped } = options.timer;
    if (stopped !== null) throw stopped.reason;
    if (this.#isBounded || (key !== null && !options.isCheck))
      return this.#acquireFrom(this.#group(key ?? Symbol("no key")), options);
    const release = this.#hold(this.#retire);
    const close = async (connection: SmtpConnection): Promise<void> => void this.#retire(connection);
    return { idle: null, hasOthers: false, next: () => null, yield: release, close, release };
  }

  async #acquireFrom(group: PoolGroup, options: AcquireOptions): Promise<PoolSlot> {
    // A connection may be taken before its slot exists.
    const end = this.#start();
    try {
      return await group.acquire(options);
    } finally {
      end();
    }
  }

  /** Returns the number of connections in use or idle, by key. */
  openConnections(): ReadonlyMap<string, number> {
    const sizes = new Map<string, number>();
    for (const [key, { size }] of this.#groups) if (typeof key === "string" && size > 0) sizes.set(key, size);
    return sizes;
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
      keepsPrepared: false,
      acceptsBdat: false,
      acceptsReset: false,
      leaving: null,
      usedAtMs: nowMs,
    };
    this.#memories.set(key, memory);
    return memory;
  }

  /** Closes an idle connection to a server, of any key. @returns `null` if none is idle. */
  closeIdleTo(memory: ServerMemory): Promise<void> | null {
    for (const group of this.#groups.values()) {
      const closed = group.closeIdleTo(memory);
      if (closed !== null) return closed;
    }
    return null;
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

  #group(key: string | symbol): PoolGroup {
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const group = new PoolGroup({
      limits: this.#limits,
      keepsIdle: typeof key === "string",
      clock: this.#clock,
      hold: this.#hold,
      retire: this.#retire,
      isClosed: () => this.#isClosed,
      onEmpty: () => this.#groups.delete(key),
      arrive: () => ++this.#arrivals,
      room: () => (typeof key === "string" ? this.#room : Math.min(this.#room, this.#places)),
      isOwed: (arrival) => this.#isOwed(group, arrival),
      onChange: this.#distribute,
    });
    this.#groups.set(key, group);
    return group;
  }

  /** Counts a slot, for whose release dispose waits. @returns the function that releases it, once. */
  readonly #hold = (release: PoolSlot["release"]): PoolSlot["release"] => {
    const end = this.#start();
    let isHeld = true;
    return (connection) => {
      if (!isHeld) return;
      isHeld = false;
      release(connection);
      end();
    };
  };

  /** Lets dispose wait. @returns the function to call once when it need not. */
  #start(): () => void {
    this.#held++;
    return () => {
      this.#held--;
      for (const resolve of this.#onRelease) resolve();
    };
  }

  /** Closes a connection. Never rejects. */
  readonly #retire = async (connection: SmtpConnection | null): Promise<void> => {
    if (connection === null) return;
    const closing = connection.quit();
    this.#closing.add(closing);
    await closing;
    this.#closing.delete(closing);
    this.#distribute();
  };

  get #isBounded(): boolean {
    return this.#limits.maxConnectionsInAll < Number.POSITIVE_INFINITY;
  }

  /**
   * The number of connections that may still be opened. Those being closed count until they are. Negative if too many are
   * open meanwhile.
   */
  get #room(): number {
    const { maxConnectionsInAll } = this.#limits;
    if (!this.#isBounded) return maxConnectionsInAll;
    return this.#all().reduce((room, { size }) => room - size, maxConnectionsInAll - this.#closing.size);
  }

  /** The number of connections that deliveries without a key may still open. Together they have those of one key, not all. */
  get #places(): number {
    const { connections, maxConnections } = this.#limits;
    return [...this.#groups].reduce(
      (places, [key, { size }]) => (typeof key === "string" ? places : places - size),
      Math.min(connections, maxConnections),
    );
  }

  /** The groups whose deliveries wait for room. Of those without a key, no more than may open a connection. */
  #waiting(): readonly PoolGroup[] {
    let places = this.#places;
    return [...this.#groups].flatMap(([key, group]) =>
      group.openable > 0 && (typeof key === "string" || places-- > 0) ? [group] : [],
    );
  }

  /** Opens connections for waiting deliveries within the bound, and closes idle ones for the others. */
  readonly #distribute = (): void => {
    if (this.#isClosed || !this.#isBounded) return;
    while (this.#room > 0) {
      const next = this.#next();
      if (next === undefined) return;
      next.openNext();
    }
    const missing = this.#waiting().reduce((sum, { openable }) => sum + openable, -this.#closing.size);
    for (let closed = 0; closed < missing; closed++) {
      const [oldest] = this.#all().toSorted((left, right) => left.idleSinceMs - right.idleSinceMs);
      if (!oldest?.closeOldestIdle()) return;
    }
  };

  /** Returns the group whose delivery gets the next connection: one without a connection, then the one that waits longest. */
  #next(): PoolGroup | undefined {
    const has = ({ size }: PoolGroup): number => Math.min(size, 1);
    const byNeed = (left: PoolGroup, right: PoolGroup) =>
      has(left) - has(right) || left.arrival - right.arrival;
    return this.#waiting().toSorted(byNeed)[0];
  }

  /** Whether a connection that becomes free is closed for a key that has none, although the own key has a use for it. */
  #isOwed(group: PoolGroup, arrival: number): boolean {
    if (!this.#isBounded) return false;
    const others = this.#waiting().filter(
      (other) => other.size === 0 && (group.size > 1 || other.arrival < arrival),
    );
    return others.length > this.#closing.size;
  }

  #all(): readonly PoolGroup[] {
    return [...this.#groups.values()];
  }
}

function closedError(): Error {
  return new Error("The transport is closed");
}
