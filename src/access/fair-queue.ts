/** Items by client, in the order in which clients are served next. No list is empty. */
type Lines<T> = Map<string, readonly T[]>;

/**
 * A queue that serves groups of clients in turn, the clients of a group in turn, and the items of a client in order of
 * arrival. A group with many items delays each item of the others by at most one.
 */
export class FairQueue<T> {
  readonly #groupOf: (client: string) => string;
  /** In the order in which groups are served next. None is empty. */
  readonly #groups = new Map<string, Lines<T>>();

  /** @param groupOf returns the group of a client. Default: each client is one. */
  constructor(groupOf = (client: string) => client) {
    this.#groupOf = groupOf;
  }

  get size(): number {
    return sum([...this.#groups.values()].map(sizeOf));
  }

  add(client: string, item: T): void {
    const group = this.#groupOf(client);
    const lines: Lines<T> = this.#groups.get(group) ?? new Map();
    this.#groups.set(group, lines.set(client, [...(lines.get(client) ?? []), item]));
  }

  /** Returns the next item; `undefined` if the queue is empty. */
  next(): T | undefined {
    const [lines] = this.#groups.values();
    const [line] = lines?.values() ?? [];
    return line?.[0];
  }

  /** Removes and returns the next item. Then it is the turn of the next group, and in this one of the next client. */
  shift(): T | undefined {
    const item = this.next();
    const [group = ""] = this.#groups.keys();
    const lines: Lines<T> = this.#groups.get(group) ?? new Map();
    const [client = ""] = lines.keys();
    const [, ...rest] = lines.get(client) ?? [];
    lines.delete(client);
    if (rest.length > 0) lines.set(client, rest);
    this.#groups.delete(group);
    if (lines.size > 0) this.#groups.set(group, lines);
    return item;
  }

  remove(item: T): void {
    for (const [group, lines] of this.#groups) {
      for (const [client, line] of lines) {
        const rest = line.filter((other) => other !== item);
        if (rest.length === 0) lines.delete(client);
        // Setting an existing key keeps its position.
        else if (rest.length < line.length) lines.set(client, rest);
      }
      if (lines.size === 0) this.#groups.delete(group);
    }
  }

  /** Returns the number of items before this one; `null` if it is not in the queue. */
  indexOf(item: T): number | null {
    const groups = [...this.#groups.values()];
    const group = groups.findIndex((lines) => [...lines.values()].some((line) => line.includes(item)));
    const lines = [...(groups[group]?.values() ?? [])];
    const client = lines.findIndex((line) => line.includes(item));
    const depth = lines[client]?.indexOf(item);
    if (depth === undefined) return null;
    return itemsBefore(groups.map(sizeOf), group, itemsBefore(lines.map(lengthOf), client, depth));
  }

  /**
   * Returns the item to evict from a full queue for one more of this client: the newest of the client with the most items
   * in the group with the most. `undefined` if no group and no client of this one's group has more than it would have.
   */
  surplus(client: string): T | undefined {
    const own: Lines<T> = this.#groups.get(this.#groupOf(client)) ?? new Map();
    const largest = maxBy([...this.#groups.values()], sizeOf);
    if (largest && sizeOf(largest) > sizeOf(own) + 1) return maxBy([...largest.values()], lengthOf)?.at(-1);
    const longest = maxBy([...own.values()], lengthOf);
    return longest && longest.length > lengthOf(own.get(client) ?? []) + 1 ? longest.at(-1) : undefined;
  }
}

function lengthOf(line: readonly unknown[]): number {
  return line.length;
}

function sizeOf(lines: Lines<unknown>): number {
  return sum([...lines.values()].map(lengthOf));
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

function maxBy<V>(values: readonly V[], measure: (value: V) => number): V | undefined {
  return values.toSorted((a, b) => measure(b) - measure(a))[0];
}

/** Returns the number of items that are served before one, whose list takes turns with others. */
function itemsBefore(sizes: readonly number[], list: number, depth: number): number {
  return sum(
    sizes.map((size, index) => (index === list ? depth : Math.min(size, depth + Number(index < list)))),
  );
}
