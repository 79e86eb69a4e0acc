import { setImmediate } from "node:timers/promises";
import type { ServerMemory } from "./server-memory.ts";

/** A connection as the pool knows it. */
export interface PooledConnection {
  /** Whether another message may go through. */
  readonly isUsable: boolean;
  /** Messages given to it so far. */
  readonly messages: number;
  /** Waits for the next message; `onEnd` is called if the connection ends meanwhile. */
  park(onEnd: () => void): void;
  resume(): void;
  /** Ends it politely. Never rejects. */
  quit(): Promise<void>;
}

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
  // Exim rejects after 1000, some relays after 100.
  messagesPerConnection: 100,
};

/** Elapsed time and timers, passed in so that a simulation can run them. */
export interface Clock {
  /** Milliseconds that only ever grow. */
  nowMs(): number;
  /** Calls back once after so many milliseconds, without keeping the process alive. @returns what cancels it. */
  after(ms: number, call: () => void): () => void;
}

/** The right to one connection of a key, held while a message is on its way. */
export interface PoolSlot<C extends PooledConnection> {
  /** A connection that was waiting; null: open one. */
  readonly idle: C | null;
  /** Whether the key has other connections, open or about to be. */
  readonly hasOthers: boolean;
  /**
   * Reports that the server takes no further connection now, and gives the right back: until a minute has passed the key
   * has no more connections than it has without this one.
   */
  yield(): void;
  /** Gives the right back, once; the connection, if it is still good, waits for the next message. */
  release(connection: C | null): void;
}

/** What ends a wait for a connection. */
export interface Stoppable {
  readonly stopped: { readonly reason: unknown } | null;
  onStop(listener: (reason: unknown) => void): () => void;
}

export interface AcquireOptions {
  readonly timer: Stoppable;
  /** How many connections the key may have; default: the pool's. */
  readonly connections?: number | undefined;
  readonly memory: ServerMemory;
  /** Whether this delivery has had its turn already and yielded. */
  readonly isFirst?: boolean;
}

interface Waiter<C extends PooledConnection> {
  grant(idle: C | null): void;
  reject(reason: unknown): void;
}

interface IdleEntry<C extends PooledConnection> {
  readonly connection: C;
  readonly parkedAtMs: number;
  /** Cancels the end of its idle time. */
  readonly cancel: () => void;
}

interface Group<C extends PooledConnection> {
  busy: number;
  readonly idle: IdleEntry<C>[];
  readonly waiting: Waiter<C>[];
  /** The number of connections that the server turned out to allow, and until when that is believed. */
  limit: { readonly connections: number; readonly untilMs: number } | null;
}

/** How long a limit that a server showed is kept to; then one more connection is tried. */
const LIMIT_MS = 60_000;
/** Of the idle time that a server allowed, so much is used from then on. */
const IDLE_SHARE = 0.8;
const MIN_IDLE_MS = 5_000;

/** Bounds and keeps connections, per key; first come, first served. */
export class Pool<C extends PooledConnection> implements AsyncDisposable {
  readonly #limits: PoolLimits;
  readonly #clock: Clock;
  readonly #groups = new Map<string, Group<C>>();
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
  async acquire(key: string | null, options: AcquireOptions): Promise<PoolSlot<C>> {
    if (this.#isClosed) throw closedError();
    const { stopped } = options.timer;
    if (stopped !== null) throw stopped.reason;
    if (key === null) return this.#track({ idle: null, hasOthers: () => false }, (one) => this.#retire(one));
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
      for (const waiter of [...group.waiting]) waiter.reject(closedError());
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

  #maxOf(group: Group<C>, { connections = this.#limits.connections }: AcquireOptions): number {
    const max = Math.min(connections, this.#limits.maxConnections);
    if (group.limit === null || group.limit.untilMs <= this.#clock.nowMs()) return max;
    return Math.min(max, group.limit.connections);
  }

  #wait(key: string, group: Group<C>, { timer, memory, isFirst }: AcquireOptions): Promise<PoolSlot<C>> {
    const { promise, resolve, reject } = Promise.withResolvers<PoolSlot<C>>();
    const leave = (): void => {
      const index = group.waiting.indexOf(waiter);
      if (index >= 0) group.waiting.splice(index, 1);
      forget();
    };
    const waiter: Waiter<C> = {
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
    if (isFirst) group.waiting.unshift(waiter);
    else group.waiting.push(waiter);
    return promise;
  }

  #slot(key: string, group: Group<C>, idle: C | null, memory: ServerMemory): PoolSlot<C> {
    const others = (): number => group.busy - 1 + group.idle.length;
    const slot = { idle, hasOthers: () => others() > 0 };
    const shrink = (): void => {
      const untilMs = this.#clock.nowMs() + LIMIT_MS;
      group.limit = { connections: Math.max(1, others()), untilMs };
    };
    return this.#track(slot, (connection) => this.#release(key, group, connection, memory), shrink);
  }

  /** A slot that dispose waits for. */
  #track(
    { idle, hasOthers }: { readonly idle: C | null; readonly hasOthers: () => boolean },
    release: (connection: C | null) => void,
    shrink: () => void = () => undefined,
  ): PoolSlot<C> {
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
      yield() {
        shrink();
        giveBack(null);
      },
      release: giveBack,
    };
  }

  #release(key: string, group: Group<C>, connection: C | null, memory: ServerMemory): void {
    const isGood = connection !== null && this.#mayStay(connection, memory);
    if (!isGood) this.#retire(connection);
    const [waiter] = group.waiting;
    // Where the server showed a limit, a right without a connection goes to no one while others are in use.
    const isOverLimit = !isGood && group.limit !== null && group.busy > group.limit.connections;
    if (waiter !== undefined && !isOverLimit) {
      waiter.grant(isGood ? connection : null);
      return;
    }
    group.busy--;
    if (isGood) this.#park(key, group, connection, memory);
    this.#forget(key, group);
  }

  #mayStay(connection: C, { idleMs }: ServerMemory): boolean {
    const isFresh = connection.messages < this.#limits.messagesPerConnection;
    return !this.#isClosed && idleMs > 0 && connection.isUsable && isFresh;
  }

  #park(key: string, group: Group<C>, connection: C, memory: ServerMemory): void {
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
  async #takeOpen(group: Group<C>, memory: ServerMemory): Promise<C | null> {
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
  #takeIdle(group: Group<C>): IdleEntry<C> | null {
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

  #group(key: string): Group<C> {
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const group: Group<C> = { busy: 0, idle: [], waiting: [], limit: null };
    this.#groups.set(key, group);
    return group;
  }

  #forget(key: string, group: Group<C>): void {
    if (group.busy === 0 && group.idle.length === 0 && group.waiting.length === 0) this.#groups.delete(key);
  }
}

function closedError(): Error {
  return new Error("The transport is closed");
}
