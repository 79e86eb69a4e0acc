import { clearTimeout, setTimeout } from "node:timers";

/** What a pool needs to know of a connection. */
export interface Pooled {
  readonly isUsable: boolean;
  readonly mails: number;
  rest(onEnd: () => void): void;
  wake(): void;
  quit(): Promise<void>;
}

export interface PoolLimits {
  /** Connections per key, where a lease does not say how many. */
  readonly connections: number;
  /** Connections per key, whatever a lease says. */
  readonly mostConnections: number;
  /** How long a connection waits for the next mail; 0 keeps none. */
  readonly idleMs: number;
  /** Mails after which a connection is closed. */
  readonly mailsPerConnection: number;
}

export const DEFAULT_POOL_LIMITS: PoolLimits = {
  connections: 5,
  mostConnections: 100,
  // Well before servers close it: Postfix and Exim wait five minutes, a stressed Postfix ten seconds.
  idleMs: 30_000,
  // Exim refuses after 1000, some relays after 100.
  mailsPerConnection: 100,
};

/** The right to one connection of a key, held while a mail is on its way. */
export interface Lease<C extends Pooled> {
  /** A connection that waited; null: open one. */
  readonly idle: C | null;
  /** Gives the right back; the connection, if it is still good, waits for the next mail. */
  release(connection: C | null): void;
}

interface Waiter<C extends Pooled> {
  grant(idle: C | null): void;
  refuse(reason: unknown): void;
}

interface Group<C extends Pooled> {
  busy: number;
  readonly idle: { readonly connection: C; readonly timer: NodeJS.Timeout }[];
  readonly waiting: Set<Waiter<C>>;
}

/** Bounds and keeps connections, per key; first come, first served. */
export class Pool<C extends Pooled> implements AsyncDisposable {
  readonly #limits: PoolLimits;
  readonly #groups = new Map<string, Group<C>>();
  readonly #pending = new Set<Promise<void>>();
  #isClosed = false;

  constructor(limits: PoolLimits) {
    this.#limits = limits;
  }

  /**
   * Waits for the right to one connection. A null key has no bound and keeps nothing.
   * @param connections how many the key may have.
   * @throws the signal's reason, or an error once the pool is disposed of.
   */
  async lease(
    key: string | null,
    signal: AbortSignal,
    connections = this.#limits.connections,
  ): Promise<Lease<C>> {
    if (this.#isClosed) throw closedError();
    signal.throwIfAborted();
    if (key === null) return this.#hold(null, (connection) => this.#retire(connection));
    const group = this.#group(key);
    if (group.busy >= Math.min(connections, this.#limits.mostConnections))
      return this.#wait(key, group, signal);
    group.busy++;
    return this.#grant(key, group, this.#takeIdle(group));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const group of this.#groups.values()) {
      for (const waiter of group.waiting) waiter.refuse(closedError());
      for (let idle = this.#takeIdle(group); idle !== null; idle = this.#takeIdle(group)) this.#retire(idle);
    }
    // A mail that ends adds the farewell of its connection.
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  #wait(key: string, group: Group<C>, signal: AbortSignal): Promise<Lease<C>> {
    const { promise, resolve, reject } = Promise.withResolvers<Lease<C>>();
    const leave = (): void => {
      group.waiting.delete(waiter);
      signal.removeEventListener("abort", onAbort);
    };
    const waiter: Waiter<C> = {
      grant: (idle) => {
        leave();
        resolve(this.#grant(key, group, idle));
      },
      refuse: (reason) => {
        leave();
        reject(reason);
      },
    };
    const onAbort = (): void => waiter.refuse(signal.reason);
    signal.addEventListener("abort", onAbort);
    group.waiting.add(waiter);
    return promise;
  }

  #grant(key: string, group: Group<C>, idle: C | null): Lease<C> {
    return this.#hold(idle, (connection) => this.#release(key, group, connection));
  }

  /** A lease that dispose waits for. */
  #hold(idle: C | null, release: (connection: C | null) => void): Lease<C> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#track(promise);
    return {
      idle,
      release: (connection) => {
        release(connection);
        resolve();
      },
    };
  }

  #release(key: string, group: Group<C>, connection: C | null): void {
    const isGood = connection !== null && this.#mayStay(connection);
    if (!isGood) this.#retire(connection);
    const [waiter] = group.waiting;
    if (waiter !== undefined) {
      waiter.grant(isGood ? connection : null);
      return;
    }
    group.busy--;
    if (isGood) this.#keep(key, group, connection);
    this.#forget(key, group);
  }

  #mayStay(connection: C): boolean {
    const { idleMs, mailsPerConnection } = this.#limits;
    return !this.#isClosed && idleMs > 0 && connection.isUsable && connection.mails < mailsPerConnection;
  }

  #keep(key: string, group: Group<C>, connection: C): void {
    const remove = (): void => {
      const at = group.idle.findIndex((entry) => entry.connection === connection);
      for (const { timer } of at < 0 ? [] : group.idle.splice(at, 1)) clearTimeout(timer);
      this.#forget(key, group);
    };
    const timer = setTimeout(() => {
      remove();
      this.#retire(connection);
    }, this.#limits.idleMs);
    timer.unref();
    group.idle.push({ connection, timer });
    connection.rest(remove);
  }

  /** The one used last: the others may then grow old and go. */
  #takeIdle(group: Group<C>): C | null {
    for (let entry = group.idle.pop(); entry !== undefined; entry = group.idle.pop()) {
      clearTimeout(entry.timer);
      entry.connection.wake();
      if (entry.connection.isUsable) return entry.connection;
      this.#retire(entry.connection);
    }
    return null;
  }

  #retire(connection: C | null): void {
    if (connection !== null) this.#track(connection.quit());
  }

  #track(promise: Promise<void>): void {
    this.#pending.add(promise);
    void promise.finally(() => this.#pending.delete(promise));
  }

  #group(key: string): Group<C> {
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const group: Group<C> = { busy: 0, idle: [], waiting: new Set() };
    this.#groups.set(key, group);
    return group;
  }

  #forget(key: string, group: Group<C>): void {
    if (group.busy === 0 && group.idle.length === 0) this.#groups.delete(key);
  }
}

function closedError(): Error {
  return new Error("The transport is closed");
}
