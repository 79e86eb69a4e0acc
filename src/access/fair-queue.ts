/**
 * A queue that serves clients in turn, and the items of one client in the order of their arrival. A client with many
 * items does not delay the others by more than one item each.
 */
export class FairQueue<T> {
  /** Clients in the order in which they are served next; none is empty. */
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

  /** The item that is served next; `undefined` if the queue is empty. */
  next(): T | undefined {
    const [first] = this.#lines.values();
    return first?.[0];
  }

  /** Removes the next item. The turn goes to the next client. */
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
      // An existing key keeps its turn.
      else if (rest.length < line.length) this.#lines.set(client, rest);
    }
  }

  /** How many items are served before this one; `null` if it is not in the queue. */
  indexOf(item: T): number | null {
    const lines = [...this.#lines.values()];
    const turn = lines.findIndex((line) => line.includes(item));
    const depth = lines[turn]?.indexOf(item);
    if (depth === undefined) return null;
    const before = lines.map((line, at) =>
      at === turn ? depth : Math.min(line.length, depth + Number(at < turn)),
    );
    return before.reduce((sum, count) => sum + count, 0);
  }

  /**
   * The item that gives way to one more of this client in a full queue: the newest of the client with the most items.
   * @returns `undefined` if no client has more items than this one would have.
   */
  surplus(client: string): T | undefined {
    const own = this.#lines.get(client)?.length ?? 0;
    const longest = [...this.#lines.values()].toSorted((a, b) => b.length - a.length)[0] ?? [];
    return longest.length > own + 1 ? longest.at(-1) : undefined;
  }
}
