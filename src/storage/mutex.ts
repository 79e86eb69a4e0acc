import type { CommitOptions } from "./database.ts";

/** Runs tasks one at a time, in the order of their arrival; an urgent one goes before those that wait. */
export class Mutex {
  readonly #waiting: { readonly start: () => void; readonly isUrgent: boolean }[] = [];
  #isTaken = false;

  async run<T>(task: () => Promise<T>, { isUrgent = false }: CommitOptions = {}): Promise<T> {
    if (this.#isTaken) await this.#wait(isUrgent);
    this.#isTaken = true;
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      // Handed on directly: a task that arrives now has to wait for that one.
      if (next) next.start();
      else this.#isTaken = false;
    }
  }

  #wait(isUrgent: boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const entry = { start: resolve, isUrgent };
    const firstOther = this.#waiting.findIndex((one) => !one.isUrgent);
    if (isUrgent && firstOther >= 0) this.#waiting.splice(firstOther, 0, entry);
    else this.#waiting.push(entry);
    return promise;
  }
}
