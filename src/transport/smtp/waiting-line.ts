interface Entry<W> {
  readonly waiter: W;
  /** When it was promised a connection that is in use; `null` if it takes the first one. */
  promisedAtMs: number | null;
}

/** Deliveries that wait for a connection of one key: first come, first served, but for those that are promised one. */
export class WaitingLine<W> {
  readonly #entries: Entry<W>[] = [];

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** @param isFirst goes before all others, because it has had its turn. */
  add(waiter: W, isFirst: boolean): void {
    const entry = { waiter, promisedAtMs: null };
    if (isFirst) this.#entries.unshift(entry);
    else this.#entries.push(entry);
  }

  remove(waiter: W): void {
    const index = this.#entries.findIndex((entry) => entry.waiter === waiter);
    if (index >= 0) this.#entries.splice(index, 1);
  }

  /** Takes back the promise to one. @returns whether it still waits. */
  unpromise(waiter: W): boolean {
    const entry = this.#entries.find((one) => one.waiter === waiter);
    if (entry !== undefined) entry.promisedAtMs = null;
    return entry !== undefined;
  }

  /** The one to get the next free connection. */
  get first(): W | null {
    return this.#first()?.waiter ?? null;
  }

  /** Promises the first one a connection that is in use: no other is given to it meanwhile. */
  promise(nowMs: number): W | null {
    const entry = this.#first();
    if (entry === undefined) return null;
    entry.promisedAtMs = nowMs;
    return entry.waiter;
  }

  /** Takes back the promises that were made before a time. @returns whether any is left. */
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
