/**
 * A queue that serves clients in turn, and the items of one client in order of arrival. A client with many items delays
 * each item of the others by at most one.
 */
export class FairQueue<T> {
  /** Items by client, in the order in which clients are served next. No list is empty. */
  readonly #lines = new Map<string, T[]>();

  get size(): number {
    let size = 0;
    for (const line of this.#lines.values()) size += line.length;
    return size;
  }

  add(client: string, item: T): void {
    const line = this.#lines.get(client);
    if (line) line.push(item);
    else this.#lines.set(client, [item]);
  }

  /** Returns the next item; `undefined` if the queue is empty. */
  next(): T | undefined {
    const [first] = this.#lines.values();
    return first?.[0];
  }

  /** Removes and returns the next item. Then it is the next client's turn. */
  shift(): T | undefined {
    const [first] = this.#lines;
    if (first === undefined) return undefined;
    const [client, [item, ...rest]] = first;
    this.#lines.delete(client);
    if (rest.length > 0) this.#lines.set(client, rest);
    return item;
  }

  remove(item: T): void {
    for (const [client, line] of this.#lines) {
      const rest = line.filter((other) => other !== item);
      if (rest.length === 0) this.#lines.delete(client);
      // Setting an existing key keeps its position.
      else if (rest.length < line.length) this.#lines.set(client, rest);
    }
  }

  /** Returns the number of items before this one; `null` if it is not in the queue. */
  indexOf(item: T): number | null {
    const lines = [...this.#lines.values()];
    const client = lines.findIndex((line) => line.includes(item));
    const depth = lines[client]?.indexOf(item);
    if (depth === undefined) return null;
    const before = lines.map((line, index) =>
      index === client ? depth : Math.min(line.length, depth + Number(index < client)),
    );
    return before.reduce((sum, count) => sum + count, 0);
  }

  /**
   * Returns the item to evict from a full queue for one more of this client: the newest of the client with the most
   * items. `undefined` if no client has more items than this one would have.
   */
  surplus(client: string): T | undefined {
    const own = this.#lines.get(client)?.length ?? 0;
    const longest = [...this.#lines.values()].toSorted((a, b) => b.length - a.length)[0] ?? [];
    return longest.length > own + 1 ? longest.at(-1) : undefined;
  }
}
