/** Limits the number of concurrent tasks. They start in order of arrival. */
export class Semaphore {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  /** @param permits number of concurrent tasks; 1 makes it a mutex. */
  constructor(permits: number) {
    this.#free = permits;
  }

  /** Resolves or rejects as the task does. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      // Pass the permit on directly, so that a task that arrives now does not overtake.
      if (next) next();
      else this.#free++;
    }
  }
}
