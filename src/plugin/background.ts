import { getLogger } from "@logtape/logtape";

/** Takes over work that goes on after an answer; on Workers `waitUntil`. Never throws. */
export type Defer = (work: Promise<unknown>) => void;

const log = getLogger(["sealpost", "plugin"]);
/** What is not done by then at the end of an instance is given up. */
const DRAIN_MS = 5_000;

/** Work that nobody waits for, until the end. */
export class Deferred {
  readonly #work = new Set<Promise<unknown>>();
  readonly #keepAlive: Defer;

  /** @param keepAlive keeps the runtime from ending the work with the request. */
  constructor(keepAlive: Defer = () => undefined) {
    this.#keepAlive = keepAlive;
  }

  readonly add: Defer = (work) => {
    const settled = work
      .catch((error) => log.error("Deferred work failed: {error}", { error }))
      .finally(() => this.#work.delete(settled));
    this.#work.add(settled);
    this.#keepAlive(settled);
  };

  /** Resolves when nothing is left, or after five seconds. */
  async drain(): Promise<void> {
    const stop = new AbortController();
    const late = new Promise<"late">((resolve) => {
      const timer = setTimeout(() => resolve("late"), DRAIN_MS);
      stop.signal.addEventListener("abort", () => clearTimeout(timer));
    });
    while (this.#work.size > 0) {
      if ((await Promise.race([Promise.all(this.#work), late])) === "late") break;
    }
    stop.abort();
    if (this.#work.size > 0) log.warning("Deferred work was given up: {count}", { count: this.#work.size });
  }
}
