import { setImmediate } from "node:timers/promises";
import type { AcquireOptions, PooledConnection, PoolSlot } from "./pool-slot.ts";
import type { ServerMemory } from "./server-memory.ts";
import { WaitingLine } from "./waiting-line.ts";

export interface PoolLimits {
  /** Connections per key, where a delivery does not say how many. */
  readonly connections: number;
  /** Connections per key, whatever a delivery says. */
  readonly maxConnections: number;
  /** How long a connection waits for the next message until the server teaches otherwise; 0 keeps none. */
  readonly idleMs: number;
  /** Messages after which a connection is closed. */
  readonly messagesPerConnection: number;
}

export const DEFAULT_POOL_LIMITS: PoolLimits = {
  connections: 5,
  maxConnections: 100,
  // Postfix and Exim close after five minutes, and so do most providers.
  idleMs: 270_000,
  // As Exim's own client does; its server closes after 1000. What closes earlier gets a new connection.
  messagesPerConnection: 500,
};

/** Elapsed time and timers, passed in so that a simulation can run them. */
export interface Clock {
  /** Milliseconds that only ever grow. */
  nowMs(): number;
  /** Calls back once after so many milliseconds, without keeping the process alive. @returns what cancels it. */
  after(ms: number, call: () => void): () => void;
}

interface Waiter<C extends PooledConnection, M> {
  readonly message: () => M | null;
  /** How many connections the key may have by its options. */
  readonly connections: number | undefined;
  grant(idle: C | null): void;
  reject(reason: unknown): void;
}

/** The public part of a slot. */
interface SlotView<C extends PooledConnection, M> {
  readonly idle: C | null;
  readonly hasOthers: () => boolean;
  readonly next: (connection: C) => M | null;
}

const SOLITARY = { idle: null, hasOthers: () => false, next: () => null } as const;

interface IdleEntry<C extends PooledConnection> {
  readonly connection: C;
  readonly parkedAtMs: number;
  /** Cancels the end of its idle time. */
  readonly cancel: () => void;
}

interface Group<C extends PooledConnection, M> {
  busy: number;
  readonly idle: IdleEntry<C>[];
  readonly waiting: WaitingLine<Waiter<C, M>>;
  /** Whether promises of connections in use are watched. */
  isWatched: boolean;
  /** The number of connections that the server turned out to allow, and until when that is believed. */
  limit: { readonly connections: number; readonly untilMs: number } | null;
}

/** How long a limit that a server showed is kept to; then one more connection is tried. */
const LIMIT_MS = 60_000;
/** Of the idle time that a server allowed, so much is used from then on. */
const IDLE_SHARE = 0.8;
const MIN_IDLE_MS = 5_000;
/** How long a waiting delivery is kept for the connection that is promised to it. */
const PROMISE_MS = 1_000;

/** Bounds and keeps connections, per key; first come, first served. */
export class Pool<C extends PooledConnection, M> implements AsyncDisposable {
  readonly #limits: PoolLimits;
  readonly #clock: Clock;
  readonly #groups = new Map<string, Group<C, M>>();
  /** Connections that are being closed. */
  readonly #pending = new Set<Promise<void>>();
  /** Slots that messages hold. */
  #held = 0;
  readonly #onRelease = new Set<() => void>();
  #isClosed = false;

  constructor(limits: PoolLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /**
   * Waits for the right to one connection. A null key has no bound and keeps nothing.
   * @throws the reason for which the timer stopped, or an error once the pool is disposed of.
   */
  async acquire(key: string | null, options: AcquireOptions<M>): Promise<PoolSlot<C, M>> {
    if (this.#isClosed) throw closedError();
    const { stopped } = options.timer;
    if (stopped !== null) throw stopped.reason;
    if (key === null) return this.#track(SOLITARY, (one) => this.#retire(one));
    const group = this.#group(key);
    if (group.busy < this.#maxOf(group, options)) {
      group.busy++;
      return this.#slot(key, group, await this.#takeOpen(group, options.memory), options.memory);
    }
    return this.#wait(key, group, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const group of this.#groups.values()) {
      for (const waiter of group.waiting.all()) waiter.reject(closedError());
      for (let entry = this.#takeIdle(group); entry !== null; entry = this.#takeIdle(group)) {
        this.#retire(entry.connection);
      }
    }
    // A message that ends adds the QUIT of its connection.
    while (this.#held > 0 || this.#pending.size > 0) {
      await (this.#pending.size > 0 ? Promise.all(this.#pending) : this.#untilReleased());
    }
  }

  #untilReleased(): Promise<void> {
    return new Promise((resolve) => this.#onRelease.add(resolve));
  }

  #maxOf(
    group: Group<C, M>,
    { connections = this.#limits.connections }: Pick<AcquireOptions<M>, "connections">,
  ): number {
    const max = Math.min(connections, this.#limits.maxConnections);
    if (group.limit === null || group.limit.untilMs <= this.#clock.nowMs()) return max;
    return Math.min(max, group.limit.connections);
  }

  #wait(
    key: string,
    group: Group<C, M>,
    { timer, message, connections, memory, isFirst = false }: AcquireOptions<M>,
  ): Promise<PoolSlot<C, M>> {
    const { promise, resolve, reject } = Promise.withResolvers<PoolSlot<C, M>>();
    const leave = (): void => {
      group.waiting.remove(waiter);
      forget();
    };
    const waiter: Waiter<C, M> = {
      ...{ message, connections },
      grant: (idle) => {
        leave();
        resolve(this.#slot(key, group, idle, memory));
      },
      reject: (reason) => {
        leave();
        reject(reason);
      },
    };
    const forget = timer.onStop(waiter.reject);
    group.waiting.add(waiter, isFirst);
    return promise;
  }

  #slot(key: string, group: Group<C, M>, idle: C | null, memory: ServerMemory): PoolSlot<C, M> {
    const others = (): number => group.busy - 1 + group.idle.length;
    let nextWaiter: Waiter<C, M> | null = null;
    const next = (connection: C): M | null => {
      if (this.#isClosed || connection.messages >= this.#limits.messagesPerConnection) return null;
      nextWaiter ??= group.waiting.promise(this.#clock.nowMs());
      if (nextWaiter === null) return null;
      this.#watchPromises(key, group, memory);
      return nextWaiter.message();
    };
    const slot = { idle, hasOthers: () => others() > 0, next };
    const shrink = (): void => {
      const untilMs = this.#clock.nowMs() + LIMIT_MS;
      group.limit = { connections: Math.max(1, others()), untilMs };
    };
    const release = (connection: C | null) => this.#release(key, group, connection, memory, nextWaiter);
    return this.#track(slot, release, shrink);
  }

  /** A slot that dispose waits for. */
  #track(
    { idle, hasOthers, next }: SlotView<C, M>,
    release: (connection: C | null) => void,
    shrink: () => void = () => undefined,
  ): PoolSlot<C, M> {
    this.#held++;
    let isHeld = true;
    const giveBack = (connection: C | null): void => {
      if (!isHeld) return;
      isHeld = false;
      release(connection);
      this.#held--;
      for (const resolve of this.#onRelease) resolve();
    };
    return {
      idle,
      get hasOthers() {
        return hasOthers();
      },
      next,
      yield() {
        shrink();
        giveBack(null);
      },
      release: giveBack,
    };
  }

  #release(
    key: string,
    group: Group<C, M>,
    connection: C | null,
    memory: ServerMemory,
    nextWaiter: Waiter<C, M> | null,
  ): void {
    const isWaiting = nextWaiter !== null && group.waiting.unpromise(nextWaiter);
    const isPrepared = isWaiting && connection?.isPrepared === true && !this.#isClosed;
    const waiter = isPrepared ? nextWaiter : group.waiting.first;
    const isGood = connection !== null && (isPrepared || this.#mayStay(connection, memory));
    if (!isGood) this.#retire(connection);
    // Where the server showed a limit, a right without a connection goes to no one while others are in use.
    const isOverLimit = !isGood && group.limit !== null && group.busy > group.limit.connections;
    if (waiter !== null && !isOverLimit) {
      waiter.grant(isGood ? connection : null);
      return;
    }
    group.busy--;
    if (isGood) this.#park(key, group, connection, memory);
    this.#forget(key, group);
  }

  /** Releases deliveries from a promise that takes long, so that they can use another free connection. */
  #watchPromises(key: string, group: Group<C, M>, memory: ServerMemory): void {
    if (group.isWatched) return;
    group.isWatched = true;
    this.#clock.after(PROMISE_MS, () => {
      group.isWatched = false;
      const isLeft = group.waiting.expire(this.#clock.nowMs() - PROMISE_MS);
      for (let first = group.waiting.first; first !== null && !this.#isClosed; first = group.waiting.first) {
        if (group.busy >= this.#maxOf(group, first)) break;
        group.busy++;
        this.#release(key, group, this.#takeIdle(group)?.connection ?? null, memory, null);
      }
      if (isLeft) this.#watchPromises(key, group, memory);
    });
  }

  #mayStay(connection: C, { idleMs }: ServerMemory): boolean {
    const isFresh = connection.messages < this.#limits.messagesPerConnection;
    return !this.#isClosed && idleMs > 0 && connection.isUsable && isFresh;
  }

  #park(key: string, group: Group<C, M>, connection: C, memory: ServerMemory): void {
    const parkedAtMs = this.#clock.nowMs();
    const remove = (): void => {
      const index = group.idle.findIndex((entry) => entry.connection === connection);
      for (const { cancel } of index < 0 ? [] : group.idle.splice(index, 1)) cancel();
      this.#forget(key, group);
    };
    const onEnd = (): void => {
      this.#learnIdle(memory, { parkedAtMs });
      remove();
    };
    const cancel = this.#clock.after(memory.idleMs, () => {
      remove();
      this.#retire(connection);
    });
    group.idle.push({ connection, parkedAtMs, cancel });
    connection.park(onEnd);
  }

  /** One that the server has not closed meanwhile: news of that may still wait in the event loop. */
  async #takeOpen(group: Group<C, M>, memory: ServerMemory): Promise<C | null> {
    for (let entry = this.#takeIdle(group); entry !== null; entry = this.#takeIdle(group)) {
      // The first turn may end before the sockets are read, the second cannot.
      await setImmediate();
      await setImmediate();
      if (entry.connection.isUsable) return entry.connection;
      this.#learnIdle(memory, entry);
      this.#retire(entry.connection);
    }
    return null;
  }

  /** The server closed an idle connection: the next ones are given up earlier. */
  #learnIdle(memory: ServerMemory, { parkedAtMs }: Pick<IdleEntry<C>, "parkedAtMs">): void {
    const allowedMs = this.#clock.nowMs() - parkedAtMs;
    memory.idleMs = Math.min(memory.idleMs, Math.max(MIN_IDLE_MS, IDLE_SHARE * allowedMs));
  }

  /** The one used last: the others may then grow old and go. */
  #takeIdle(group: Group<C, M>): IdleEntry<C> | null {
    const entry = group.idle.pop();
    if (entry === undefined) return null;
    entry.cancel();
    entry.connection.resume();
    return entry;
  }

  #retire(connection: C | null): void {
    if (connection === null) return;
    const closing = connection.quit();
    this.#pending.add(closing);
    void closing.finally(() => this.#pending.delete(closing));
  }

  #group(key: string): Group<C, M> {
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const group: Group<C, M> = {
      busy: 0,
      idle: [],
      waiting: new WaitingLine(),
      isWatched: false,
      limit: null,
    };
    this.#groups.set(key, group);
    return group;
  }

  #forget(key: string, group: Group<C, M>): void {
    if (group.busy === 0 && group.idle.length === 0 && group.waiting.isEmpty) this.#groups.delete(key);
  }
}

function closedError(): Error {
  return new Error("The transport is closed");
}
