import type { CommitOptions } from "./database.ts";

/** A turn that takes longer than this belongs to somebody who was cut off. */
const TURN_MS = 6_000;
/** Those further back look less often. */
const LOOK_EVERY_MS = 1;

interface Ticket {
  readonly isUrgent: boolean;
  /** On the clock of `performance.now()`; set when its turn has come. */
  endsMs: number;
}

/**
 * Lets callers through one at a time, in the order in which they came. Nobody awaits what another holds: each looks
 * whether his turn has come, because on Workers a promise belongs to the request that made it.
 */
export class Turns {
  readonly #queue: Ticket[] = [];

  /**
   * Waits for a turn and runs the work in it; urgent work goes before what waits.
   * @throws the signal's reason if it is aborted before.
   */
  async run<T>(
    work: () => Promise<T>,
    signal: AbortSignal,
    { isUrgent = false }: CommitOptions = {},
  ): Promise<T> {
    const ticket: Ticket = { endsMs: Number.POSITIVE_INFINITY, isUrgent };
    this.#enter(ticket);
    try {
      for (let ahead = this.#ahead(ticket); ahead > 0; ahead = this.#ahead(ticket)) {
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS * ahead));
        signal.throwIfAborted();
      }
      return await work();
    } finally {
      this.#leave(ticket);
    }
  }

  #enter(ticket: Ticket): void {
    // The first one has its turn.
    const index = ticket.isUrgent ? this.#queue.findIndex((one, at) => at > 0 && !one.isUrgent) : -1;
    if (index > 0) this.#queue.splice(index, 0, ticket);
    else this.#queue.push(ticket);
  }

  /** How many are before this one. */
  #ahead(ticket: Ticket): number {
    const [first] = this.#queue;
    const nowMs = performance.now();
    if (first !== undefined) {
      if (first.endsMs === Number.POSITIVE_INFINITY) first.endsMs = nowMs + TURN_MS;
      else if (first.endsMs < nowMs) this.#leave(first);
    }
    return this.#queue.indexOf(ticket);
  }

  #leave(ticket: Ticket): void {
    const at = this.#queue.indexOf(ticket);
    if (at >= 0) this.#queue.splice(at, 1);
  }
}
