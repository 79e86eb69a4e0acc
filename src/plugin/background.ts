import { getLogger } from "@logtape/logtape";
import { withDeadline } from "../async/abort.ts";
import { SealpostError } from "../errors.ts";

/** Lets work continue after the response; on Workers `waitUntil`. Never throws. */
export type RunInBackground = (work: Promise<unknown>) => void;

const log = getLogger(["sealpost", "plugin"]);
const DRAIN_MS = 5_000;

/** Runs work of one plugin. A failure, or a run that takes too long, is logged and does not affect other plugins. */
export type Run = <T>(
  plugin: string,
  what: string,
  work: () => Promise<T> | undefined,
  otherwise: T,
) => Promise<T>;

/** @param timeoutMs bounds each run. */
export function createRun(timeoutMs: number): Run {
  return async (plugin, what, work, otherwise) => {
    try {
      const late = () => new SealpostError("too_slow", `It did not finish within ${timeoutMs} ms`);
      return (await withDeadline((async () => work())(), timeoutMs, late)) ?? otherwise;
    } catch (error) {
      log.error("Plugin {plugin} could not {what}: {error}", { plugin, what, error });
      return otherwise;
    }
  };
}

/** Work that no request waits for, but the end of the instance does. */
export class BackgroundWork {
  readonly #work = new Set<Promise<unknown>>();
  readonly #keepAlive: RunInBackground;

  /** @param keepAlive keeps the runtime from ending the work with the request. */
  constructor(keepAlive: RunInBackground = () => undefined) {
    this.#keepAlive = keepAlive;
  }

  readonly add: RunInBackground = (work) => {
    const settled = work
      .catch((error) => log.error("Background work failed: {error}", { error }))
      .finally(() => this.#work.delete(settled));
    this.#work.add(settled);
    this.#keepAlive(settled);
  };

  /** Resolves when no work is left, or after five seconds. */
  async drain(): Promise<void> {
    const settled = async () => {
      // Work may add more work.
      while (this.#work.size > 0) await Promise.all(this.#work);
    };
    await withDeadline(settled(), DRAIN_MS, () => new Error("late")).catch(() => undefined);
    if (this.#work.size > 0)
      log.warning("Background work was abandoned: {count}", { count: this.#work.size });
  }
}
