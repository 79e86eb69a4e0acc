import { setImmediate, setTimeout } from "node:timers/promises";
import type { NextMessage, SmtpConnection } from "./connection.ts";
import type { Clock, PoolLimits } from "./pool-limits.ts";
import { type AcquireOptions, avoidBdat, type PoolSlot, type ServerMemory } from "./pool-slot.ts";
import { WaitingLine } from "./waiting-line.ts";

interface PoolGroupDeps {
  readonly limits: PoolLimits;
  /** Whether connections stay open for the next message. */
  readonly keepsIdle: boolean;
  readonly clock: Clock;
  /** Counts a slot. @returns the function that releases it, once. */
  readonly hold: (release: PoolSlot["release"]) => PoolSlot["release"];
  /** Closes a connection. Never rejects. */
  readonly retire: (connection: SmtpConnection | null) => Promise<void>;
  readonly isClosed: () => boolean;
  /** Counts the deliveries of all keys that wait. */
  readonly arrive: () => number;
  /** Returns the number of connections of all keys that may still be opened. Negative if too many are open until some are closed. */
  readonly room: () => number;
  /** Whether another key gets the next connection that becomes free, before the delivery with this arrival. */
  readonly isOwed: (arrival: number) => boolean;
  /** Called when there may be room for a connection, or a delivery waits for room. */
  readonly onChange: () => void;
  /** Called when no connection and no waiting delivery is left. */
  readonly onEmpty: () => void;
}

interface Waiter {
  readonly message: () => NextMessage | null;
  readonly connections: number | undefined;
  readonly memory: ServerMemory;
  /** Position among the waiting deliveries of all keys. */
  readonly arrival: number;
  grant(idle: SmtpConnection | null): void;
  reject(reason: unknown): void;
}

interface IdleEntry {
  readonly connection: SmtpConnection;
  readonly memory: ServerMemory;
  readonly parkedAtMs: number;
  /** Cancels the end of its idle time. */
  readonly cancel: () => void;
}

/**
 * Period for which the server's connection limit is assumed, before the pool tries more connections. One that works may
 * stop to reply, and messages do not wait longer for it than for a probe.
 */
const LIMIT_MS = 30_000;
/** Later connections are closed after this share of the idle time that the server allowed. */
const IDLE_SHARE = 0.8;
const MIN_IDLE_MS = 5_000;
/** Idle time from which a wait of two milliseconds is short. */
const LONG_IDLE_MS = 20;
/** Period for which a connection that was closed without QUIT counts as open at the server. */
const CUT_MS = 250;
/** Period for which a waiting delivery is reserved for the connection that is promised to it. */
const PROMISE_MS = 1_000;

/** The connections of one key, and the deliveries that wait for one. */
export class PoolGroup {
  readonly #deps: PoolGroupDeps;
  readonly #idle: IdleEntry[] = [];
  readonly #waiting = new WaitingLine<Waiter>();
  /** Number of slots that are not released. */
  #busy = 0;
  /** Number of connections that have sent messages, and that the server has not closed yet. */
  #closing = 0;
  /** Whether a timer watches for old promises. */
  #isWatched = false;
  /** The number of connections that the server turned out to allow, until a timer ends it. */
  #limit: { readonly connections: number } | null = null;

  constructor(deps: PoolGroupDeps) {
    this.#deps = deps;
  }

  /** The number of connections in use or idle. One that is being opened counts. */
  get size(): number {
    return this.#busy + this.#idle.length;
  }

  /** The number of waiting deliveries that could open a connection if there were room. */
  get openable(): number {
    const { first } = this.#waiting;
    if (first === null) return 0;
    return Math.max(0, Math.min(this.#waiting.size, this.#maxConnections(first) - this.#busy));
  }

  /** Arrival of the first waiting delivery. Infinite if none waits. */
  get arrival(): number {
    return this.#waiting.first?.arrival ?? Number.POSITIVE_INFINITY;
  }

  /** Start of the longest idle time, on the clock of the pool. Infinite if no connection is idle. */
  get idleSinceMs(): number {
    return this.#idle[0]?.parkedAtMs ?? Number.POSITIVE_INFINITY;
  }

  acquire(options: AcquireOptions): Promise<PoolSlot> {
    const isBelowMax = this.#busy < this.#maxConnections(options);
    if (isBelowMax && (this.#idle.length > 0 || this.#deps.room() > 0)) return this.#take(options);
    const slot = this.#wait(options);
    if (isBelowMax) this.#deps.onChange();
    return slot;
  }

  /** Lets the first waiting delivery open a connection. */
  openNext(): void {
    this.#busy++;
    this.#waiting.first?.grant(null);
  }

  /** Closes the connection that is idle longest. @returns `false` if none is idle. */
  closeOldestIdle(): boolean {
    return this.#closeIdle(this.#idle[0]) !== null;
  }

  /** Closes an idle connection to one server. @returns `null` if none is idle. */
  closeIdleTo(memory: ServerMemory): Promise<void> | null {
    return this.#closeIdle(this.#idle.find((entry) => entry.memory === memory));
  }

  /** Rejects the waiting deliveries and closes the idle connections. */
  close(reason: Error): void {
    for (const waiter of this.#waiting.all()) waiter.reject(reason);
    for (let entry = this.#takeIdle(); entry !== null; entry = this.#takeIdle()) {
      void this.#retire(entry.connection);
    }
  }

  #maxConnections({
    connections = this.#deps.limits.connections,
  }: Pick<AcquireOptions, "connections">): number {
    return Math.min(connections, this.#deps.limits.maxConnections, this.#serverLimit);
  }

  /** The number of slots that the server is assumed to allow. It still counts the connections that are being closed. */
  get #serverLimit(): number {
    return this.#limit === null ? Number.POSITIVE_INFINITY : this.#limit.connections - this.#closing;
  }

  async #take(options: AcquireOptions): Promise<PoolSlot> {
    const { memory } = options;
    this.#busy++;
    const opensOwn = options.isCheck && this.#deps.room() >= 0 && this.size <= this.#maxConnections(options);
    const idle = opensOwn ? null : await this.#takeOpen(memory);
    if (idle !== null || this.#deps.room() >= 0 || this.#deps.isClosed()) return this.#slot(idle, memory);
    // The idle connection was no longer usable, and is still being closed.
    this.#busy--;
    return this.#wait({ ...options, isFirst: true });
  }

  async #wait({ timer, message, connections, memory, isFirst = false }: AcquireOptions): Promise<PoolSlot> {
    const { promise, resolve, reject } = Promise.withResolvers<PoolSlot>();
    let forgetStop = (): void => undefined;
    const leave = (): void => {
      this.#waiting.remove(waiter);
      forgetStop();
    };
    const waiter: Waiter = {
      message,
      connections,
      memory,
      arrival: isFirst ? 0 : this.#deps.arrive(),
      grant: (idle) => {
        leave();
        resolve(this.#slot(idle, memory));
      },
      reject: (reason) => {
        leave();
        reject(reason);
        this.#reportEmpty();
      },
    };
    this.#waiting.add(waiter, isFirst);
    // Last: a timer that has stopped rejects the waiter now.
    forgetStop = timer.onStop(waiter.reject);
    const slot = await promise;
    // The server may have closed the connection after the message before this one.
    if (slot.idle?.isPrepared === false) await untilRead(setImmediate);
    return slot;
  }

  #slot(idle: SmtpConnection | null, memory: ServerMemory): PoolSlot {
    const { limits, clock, hold, isClosed } = this.#deps;
    const others = (): number => this.#busy - 1 + this.#idle.length + this.#closing;
    let nextWaiter: Waiter | null = null;
    const release = hold((connection) => this.#release(connection, memory, nextWaiter));
    return {
      idle,
      get hasOthers() {
        return others() > 0;
      },
      next: (connection) => {
        if (isClosed() || connection.messages >= limits.messagesPerConnection) return null;
        if (nextWaiter === null && this.#deps.isOwed(this.arrival)) return null;
        nextWaiter ??= this.#waiting.promise(clock.nowMs());
        if (nextWaiter === null) return null;
        this.#watchPromises();
        return nextWaiter.message();
      },
      yield: (connection) => {
        this.#assumeLimit(Math.max(1, others()));
        void this.#deps.retire(connection);
        release(null);
      },
      close: async (connection) => {
        const closed = this.#retire(connection);
        // With a bound of all connections, the next one may be opened when this one is closed.
        if (limits.maxConnectionsInAll < Number.POSITIVE_INFINITY) await closed;
      },
      release,
    };
  }

  #assumeLimit(connections: number): void {
    const limit = { connections };
    this.#limit = limit;
    // The timer ends it, not the clock: one that fires a fraction of a millisecond early would serve no one.
    this.#deps.clock.after(LIMIT_MS, () => {
      if (this.#limit !== limit) return;
      this.#limit = null;
      this.#serveWaiting();
    });
  }

  #release(connection: SmtpConnection | null, memory: ServerMemory, nextWaiter: Waiter | null): void {
    const isWaiting = nextWaiter !== null && this.#waiting.unpromise(nextWaiter);
    const isPrepared = isWaiting && connection?.isPrepared === true && !this.#deps.isClosed();
    const waiter = isPrepared ? nextWaiter : this.#waiting.first;
    const isOwed = waiter !== null && !isPrepared && this.#deps.isOwed(waiter.arrival);
    const isGood = connection !== null && !isOwed && (isPrepared || this.#mayStay(connection, memory));
    if (!isGood) void this.#retire(connection);
    // At the server's limit, a slot without a connection goes to no one while others are in use.
    const isOverLimit = !isGood && this.#busy > this.#serverLimit;
    const isOverfull = !isGood && this.#deps.room() < 0;
    if (waiter !== null && !isOwed && !isOverLimit && !isOverfull) {
      waiter.grant(isGood ? connection : null);
      return;
    }
    this.#busy--;
    if (isGood) this.#park(connection, memory);
    this.#reportEmpty();
    this.#deps.onChange();
  }

  /** Closes a connection. Never rejects. */
  async #retire(connection: SmtpConnection | null): Promise<void> {
    // The server did not take one that has sent no message.
    const isTaken = connection !== null && !connection.isClosed && connection.messages > 0;
    const closed = this.#deps.retire(connection);
    if (!isTaken) return closed;
    this.#closing++;
    const end = (): void => {
      this.#closing--;
      this.#serveWaiting();
      this.#reportEmpty();
    };
    // Without QUIT, as with a prepared message, nothing shows when the server counts it no longer.
    const isCut = connection.isClosed;
    await closed;
    if (isCut) this.#deps.clock.after(CUT_MS, end);
    else end();
  }

  /** Releases waiting deliveries from old promises, so that they can use another free connection. */
  #watchPromises(): void {
    if (this.#isWatched) return;
    this.#isWatched = true;
    const { clock } = this.#deps;
    clock.after(PROMISE_MS, () => {
      this.#isWatched = false;
      const isLeft = this.#waiting.expire(clock.nowMs() - PROMISE_MS);
      this.#serveWaiting();
      if (isLeft) this.#watchPromises();
    });
  }

  /** Gives idle connections, and new ones within the limits, to waiting deliveries. */
  #serveWaiting(): void {
    for (let first = this.#waiting.first; first !== null; first = this.#waiting.first) {
      if (this.#deps.isClosed() || this.#busy >= this.#maxConnections(first)) return;
      if (this.#idle.length === 0 && this.#deps.room() <= 0) return;
      this.#busy++;
      this.#release(this.#takeIdle()?.connection ?? null, first.memory, null);
    }
  }

  #mayStay(connection: SmtpConnection, { idleMs }: ServerMemory): boolean {
    const isFresh = connection.messages < this.#deps.limits.messagesPerConnection;
    const { isClosed, keepsIdle } = this.#deps;
    return keepsIdle && !isClosed() && idleMs > 0 && connection.isUsable && isFresh;
  }

  #park(connection: SmtpConnection, memory: ServerMemory): void {
    const { clock } = this.#deps;
    const parkedAtMs = clock.nowMs();
    const remove = (): void => {
      const index = this.#idle.findIndex((entry) => entry.connection === connection);
      for (const { cancel } of index < 0 ? [] : this.#idle.splice(index, 1)) cancel();
      this.#reportEmpty();
    };
    const onEnd = (): void => {
      this.#learnEnd(connection, memory, parkedAtMs);
      remove();
      this.#deps.onChange();
    };
    const cancel = clock.after(memory.idleMs, () => {
      void this.#retire(connection);
      remove();
    });
    this.#idle.push({ connection, memory, parkedAtMs, cancel });
    connection.park(onEnd);
  }

  /** Takes an idle connection that the server has not closed, which the event loop may not have reported yet. */
  async #takeOpen(memory: ServerMemory): Promise<SmtpConnection | null> {
    for (let entry = this.#takeIdle(); entry !== null; entry = this.#takeIdle()) {
      // On Deno, only a timer lets the event loop rest.
      const isLong = this.#deps.clock.nowMs() - entry.parkedAtMs >= LONG_IDLE_MS;
      await untilRead(isLong ? setTimeout : setImmediate);
      if (entry.connection.isUsable) return entry.connection;
      this.#learnEnd(entry.connection, memory, entry.parkedAtMs);
      void this.#retire(entry.connection);
    }
    return null;
  }

  /** The server ended an idle connection, so close the next ones earlier. A reply may belong to an earlier message. */
  #learnEnd({ learned }: SmtpConnection, memory: ServerMemory, parkedAtMs: number): void {
    const nowMs = this.#deps.clock.nowMs();
    memory.idleMs = Math.min(memory.idleMs, Math.max(MIN_IDLE_MS, IDLE_SHARE * (nowMs - parkedAtMs)));
    if (learned.endangersBdat) avoidBdat(memory, nowMs);
  }

  #closeIdle(entry: IdleEntry | undefined): Promise<void> | null {
    if (entry === undefined) return null;
    this.#idle.splice(this.#idle.indexOf(entry), 1);
    entry.cancel();
    entry.connection.resume();
    const closed = this.#retire(entry.connection);
    this.#reportEmpty();
    return closed;
  }

  /** Takes the connection used last, so that surplus ones reach the end of their idle time. */
  #takeIdle(): IdleEntry | null {
    const entry = this.#idle.pop();
    if (entry === undefined) return null;
    entry.cancel();
    entry.connection.resume();
    return entry;
  }

  #reportEmpty(): void {
    const isUsed = this.#busy > 0 || this.#idle.length > 0 || this.#closing > 0;
    if (!isUsed && this.#waiting.isEmpty) this.#deps.onEmpty();
  }
}

/** Waits until the sockets are read. The first tick may end before that. The second cannot. */
async function untilRead(tick: () => Promise<void>): Promise<void> {
  await tick();
  await tick();
}
