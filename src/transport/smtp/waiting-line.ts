interface Entry<W> {
  readonly waiter: W;
  readonly isFirst: boolean;
  /** Time of the promise of a connection in use. `null` if it takes the first free one. */
  promisedAtMs: number | null;
}

/** The deliveries that wait for a connection of one key, in order of arrival. Those that a busy connection is promised to are skipped. */
export class WaitingLine<W> {
  readonly #entries: Entry<W>[] = [];

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** The number of deliveries to which no busy connection is promised. */
  get size(): number {
    return this.#entries.length - this.#promised().length;
  }

  /** @param isFirst whether it goes before all others, but those that went first already. */
  add(waiter: W, isFirst: boolean): void {
    const next = isFirst ? this.#entries.findIndex((entry) => !entry.isFirst) : -1;
    const index = next < 0 ? this.#entries.length : next;
    this.#entries.splice(index, 0, { waiter, isFirst, promisedAtMs: null });
  }

  remove(waiter: W): void {
    const index = this.#entries.findIndex((entry) => entry.waiter === waiter);
    if (index >= 0) this.#entries.splice(index, 1);
  }

  /** Withdraws a promise. @returns whether the delivery still waits. */
  unpromise(waiter: W): boolean {
    const entry = this.#entries.find((one) => one.waiter === waiter);
    if (entry !== undefined) entry.promisedAtMs = null;
    return entry !== undefined;
  }

  /** The delivery that gets the next free connection. */
  get first(): W | null {
    return this.#first()?.waiter ?? null;
  }

  /** Promises a connection in use to the first delivery, which gets no other one meanwhile. */
  promise(nowMs: number): W | null {
    const entry = this.#first();
    if (entry === undefined) return null;
    entry.promisedAtMs = nowMs;
    return entry.waiter;
  }

  /** Withdraws the promises made before a time. @returns whether any is left. */
  expire(beforeMs: number): boolean {
    for (const entry of this.#promised()) {
      if ((entry.promisedAtMs ?? 0) <= beforeMs) entry.promisedAtMs = null;
    }
    return this.#promised().length > 0;
  }

  all(): readonly W[] {
    return this.#entries.map(({ waiter }) => waiter);
  }

  #first(): Entry<W> | undefined {
    return this.#entries.find(({ promisedAtMs }) => promisedAtMs === null);
  }

  #promised(): readonly Entry<W>[] {
    return this.#entries.filter(({ promisedAtMs }) => promisedAtMs !== null);
  }
}
