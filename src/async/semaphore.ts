/** Runs at most so many tasks at a time, in the order of their arrival. */
export class Semaphore {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  /** @param permits how many tasks may run at a time; 1 makes it a mutex. */
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
      // Handed on directly: a task that arrives now has to wait for that one.
      if (next) next();
      else this.#free++;
    }
  }
}
