import { setImmediate, setTimeout } from "node:timers/promises";

/** Default of `maxTicks`: microseconds if the process is idle. */
const MAX_TICKS = 8;
/** Shortest time between two polls of one caller. */
const MIN_POLL_MS = 1;
/** Callers that poll at the shortest interval. With more callers, each polls less often. */
const CALLERS_PER_POLL = 8;

/**
 * The items to blame for a failed run: `all`; `none`, because nothing was done and they can run again; one item by its
 * index; or one `unknown` item.
 */
export type Blame = "all" | "none" | "unknown" | number;

export interface BatcherOptions<T, R> {
  /**
   * Runs items together, in this order. Returns one result for each, or rejects with none of them done.
   * @param deadlineMs when the first of them has waited for `maxWaitMs`, on the clock of `nowMs`.
   */
  readonly run: (items: readonly T[], deadlineMs: number) => Promise<readonly R[]>;
  /** Bounds the total size of one run, so that it does not delay later items. */
  readonly maxSize: number;
  /** Default: 1 for each item. */
  readonly sizeOf?: (item: T) => number;
  /** Default: `unknown`. */
  readonly blame?: (error: unknown, items: readonly T[]) => Blame;
  /** Longest wait of an item for its run, in milliseconds. Default: no limit. */
  readonly maxWaitMs?: number;
  /** The clock of every wait. Default: `performance.now()`. */
  readonly nowMs?: () => number;
  /** Creates the error of an item that waited for longer and never runs. */
  readonly tooLate?: () => unknown;
  /** Time that a run waits for more items if the previous one had several, in milliseconds. Default: 0. */
  readonly gatherMs?: number;
  /** Ticks of the event loop that a run waits for more items at most. Default: 8. */
  readonly maxTicks?: number | undefined;
  /** Set on Workers, where a promise belongs to the request that created it: callers poll instead of awaiting others. */
  readonly polling?: PollingOptions;
}

export interface PollingOptions {
  /** A longer run belongs to a request that was cut off, in milliseconds. */
  readonly maxRunMs: number;
  /** Creates the error of an item of such a run, which may have succeeded. */
  readonly abandoned: () => unknown;
  /** Keeps the runtime from ending a run with its request, such as `waitUntil`. */
  readonly keepAlive?: ((run: Promise<unknown>) => void) | undefined;
}

interface Entry<T, R> {
  readonly item: T;
  readonly size: number;
  readonly isUrgent: boolean;
  readonly deadlineMs: number;
  /** The run of this item; `null` while it waits. */
  run: Run | null;
  outcome: { readonly value: R } | { readonly error: unknown } | null;
  wake: () => void;
}

interface Run {
  /** Time when the run counts as abandoned, on the clock of the batcher. */
  endsMs: number;
}

/**
 * Runs the items of several callers together, each with its own outcome. Items that arrive during a run share the next
 * one, in order of arrival. A caller that finds no run in progress runs all waiting items, including its own.
 */
export class Batcher<T, R> {
  readonly #options: BatcherOptions<T, R>;
  readonly #nowMs: () => number;
  #waiting: Entry<T, R>[] = [];
  #run: Run | null = null;
  /** Ends the wait of the run for `gatherMs`. */
  #endGathering: () => void = () => undefined;
  /** Items of the latest run. */
  #latestCount = 1;

  constructor(options: BatcherOptions<T, R>) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  /**
   * Resolves with the result of this item; rejects with its own error, or with one that concerns the whole run.
   * @param options `isUrgent`: goes before waiting items, but after urgent ones.
   */
  async run(item: T, { isUrgent = false }: { readonly isUrgent?: boolean } = {}): Promise<R> {
    const { sizeOf = () => 1, maxWaitMs = Number.POSITIVE_INFINITY } = this.#options;
    const entry: Entry<T, R> = {
      item,
      isUrgent,
      size: sizeOf(item),
      deadlineMs: this.#nowMs() + maxWaitMs,
      run: null,
      outcome: null,
      wake: () => undefined,
    };
    this.#enter(entry);
    while (entry.outcome === null) {
      if (this.#isIdle()) await this.#runWaiting();
      else await this.#pause(entry);
      if (this.#isAbandoned(entry.run)) this.#reject(entry, this.#options.polling?.abandoned());
    }
    if ("error" in entry.outcome) throw entry.outcome.error;
    return entry.outcome.value;
  }

  /** Ends the wait of a run for more items. It starts before the next tick of the event loop. */
  flush(): void {
    this.#endGathering();
  }

  /** Resolves when no item waits or runs. */
  async drain(): Promise<void> {
    while (this.#waiting.length > 0 || !this.#isIdle()) await setTimeout(MIN_POLL_MS);
  }

  #isIdle(): boolean {
    return this.#run === null || this.#isAbandoned(this.#run);
  }

  #enter(entry: Entry<T, R>): void {
    const firstOther = entry.isUrgent ? this.#waiting.findIndex(({ isUrgent }) => !isUrgent) : -1;
    if (firstOther >= 0) this.#waiting.splice(firstOther, 0, entry);
    else this.#waiting.push(entry);
  }

  async #pause(entry: Entry<T, R>): Promise<void> {
    if (this.#options.polling) {
      await setTimeout(Math.max(MIN_POLL_MS, this.#waiting.length / CALLERS_PER_POLL));
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    entry.wake = resolve;
    await promise;
  }

  async #runWaiting(): Promise<void> {
    const run: Run = { endsMs: Number.POSITIVE_INFINITY };
    this.#run = run;
    try {
      if (!this.#options.polling) await this.#gather();
      const entries = this.#take();
      this.#latestCount = entries.length;
      for (const entry of entries) entry.run = run;
      const settling = this.#settle(entries);
      this.#options.polling?.keepAlive?.(settling);
      await settling;
    } finally {
      // A run that counted as abandoned may still end.
      if (this.#run === run) this.#run = null;
      this.#waiting[0]?.wake();
    }
  }

  /**
   * Lets items join that arrive within a few ticks: a run may block the thread, so otherwise each of fifty concurrent
   * requests would have a run of its own.
   */
  async #gather(): Promise<void> {
    const { gatherMs = 0, maxTicks = MAX_TICKS } = this.#options;
    if (gatherMs > 0 && this.#latestCount > 1) return this.#untilGathered(gatherMs);
    for (let tick = 0, seen = 0; tick < maxTicks && seen < this.#waiting.length; tick++) {
      seen = this.#waiting.length;
      await setImmediate();
    }
  }

  async #untilGathered(gatherMs: number): Promise<void> {
    const flushed = Promise.withResolvers<void>();
    this.#endGathering = flushed.resolve;
    await Promise.race([setTimeout(gatherMs), flushed.promise]);
  }

  /** Takes the first items, at least one. Rejects waiting items that are late. */
  #take(): Entry<T, R>[] {
    const nowMs = this.#nowMs();
    const late = this.#waiting.filter(({ deadlineMs }) => deadlineMs <= nowMs);
    for (const entry of late) this.#reject(entry, this.#options.tooLate?.());
    const waiting = this.#waiting.filter(({ outcome }) => outcome === null);
    let count = 0;
    for (let size = 0; count < waiting.length; count++) {
      size += waiting[count]?.size ?? 0;
      if (count > 0 && size > this.#options.maxSize) break;
    }
    this.#waiting = waiting.slice(count);
    return waiting.slice(0, count);
  }

  /** Settles each entry. After an error of one item, the others run without it. Never rejects. */
  async #settle(entries: readonly Entry<T, R>[]): Promise<void> {
    let rest = entries;
    while (rest.length > 0) {
      try {
        const results = await this.#runTogether(rest);
        for (const [index, entry] of rest.entries()) this.#resolve(entry, results[index] as R);
        return;
      } catch (error) {
        rest = await this.#afterError(error, rest);
      }
    }
  }

  /** @returns the entries that are still to run. */
  async #afterError(error: unknown, entries: readonly Entry<T, R>[]): Promise<readonly Entry<T, R>[]> {
    const items = entries.map(({ item }) => item);
    const blame = this.#options.blame?.(error, items) ?? "unknown";
    if (blame === "none") {
      this.#putBack(error, entries);
      return [];
    }
    if (blame === "all") {
      for (const entry of entries) this.#reject(entry, error);
      return [];
    }
    const [first, ...others] = entries;
    // The first item has none before it, so the error is its own. The error of a later one may depend on items before
    // it, so those run first.
    if (first && (blame === 0 || others.length === 0)) {
      this.#reject(first, error);
      return others;
    }
    if (blame === "unknown") {
      for (const entry of entries) await this.#settle([entry]);
      return [];
    }
    await this.#settle(entries.slice(0, blame));
    return entries.slice(blame);
  }

  #runTogether(entries: readonly Entry<T, R>[]): Promise<readonly R[]> {
    const deadlineMs = Math.min(...entries.map((entry) => entry.deadlineMs));
    const { run } = entries[0] ?? {};
    // Each attempt gets the full time, however many there are after an error.
    if (run && this.#options.polling) run.endsMs = this.#nowMs() + this.#options.polling.maxRunMs;
    const items = entries.map(({ item }) => item);
    return this.#options.run(items, deadlineMs);
  }

  /** Entries that may still wait go before the other waiting ones. */
  #putBack(error: unknown, entries: readonly Entry<T, R>[]): void {
    const nowMs = this.#nowMs();
    for (const entry of entries) {
      if (entry.deadlineMs <= nowMs) this.#reject(entry, error);
      else entry.run = null;
    }
    const waiting = [...entries.filter(({ outcome }) => outcome === null), ...this.#waiting];
    this.#waiting = [
      ...waiting.filter(({ isUrgent }) => isUrgent),
      ...waiting.filter(({ isUrgent }) => !isUrgent),
    ];
  }

  #resolve(entry: Entry<T, R>, value: R): void {
    entry.outcome ??= { value };
    entry.wake();
  }

  #reject(entry: Entry<T, R>, error: unknown): void {
    entry.outcome ??= { error };
    entry.wake();
  }

  #isAbandoned(run: Run | null): boolean {
    return run !== null && run.endsMs <= this.#nowMs();
  }
}

/**
 * Shares a read among the callers with the same key that arrive in one tick of the event loop. The read starts after
 * all of these calls, so its result is never older than a call.
 */
export function shareRead<T>(read: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const reads = new Map<string, Promise<T>>();

  async function start(key: string): Promise<T> {
    await setImmediate();
    reads.delete(key);
    return read(key);
  }

  return (key) => {
    const shared = reads.get(key) ?? start(key);
    reads.set(key, shared);
    return shared;
  };
}
