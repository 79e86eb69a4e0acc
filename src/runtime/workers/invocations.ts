import type { Config } from "../../config.ts";
import { internalsOf } from "../../sealpost.ts";
import type { Bindings } from "./bindings.ts";
import type { WorkerInstance } from "./instance.ts";
import { configureConsole } from "./logging.ts";

/** The part of Cloudflare's `ExecutionContext` that Sealpost uses. */
export interface InvocationContext {
  waitUntil(promise: Promise<unknown>): void;
}

/** Runs work in an instance that has started. */
interface Invocations {
  /** @throws the error of settings that are invalid, or of the start. */
  inInvocation<T>(
    context: InvocationContext,
    timeMs: number,
    work: (instance: WorkerInstance) => T | Promise<T>,
  ): Promise<T>;
}

/** Settings, and what creates an instance with them. */
interface Plan {
  readonly config: Config;
  /** @param restart has later invocations create another instance. */
  readonly create: (config: Config, restart: () => void) => WorkerInstance;
}

/** Creates an instance without I/O. If its settings are invalid, each invocation rejects. */
export function createInvocations(bindings: Bindings, plan: (bindings: Bindings) => Plan): Invocations {
  let opened = open();
  return {
    async inInvocation(context, timeMs, work) {
      const current = opened;
      const { instance, error } = current;
      if (instance === null) throw error;
      current.running++;
      const { result, end } = instance.transport.run(async () => {
        await instance.ready();
        return work(instance);
      }, timeMs);
      context.waitUntil(end.finally(() => leave(current)));
      return result;
    },
  };

  function open(): Opened {
    // For errors in the settings themselves, the log level included.
    configureConsole("info");
    try {
      const { config, create } = plan(bindings);
      configureConsole(config.log);
      return { instance: create(config, restart), error: null, running: 0 };
    } catch (error) {
      return { instance: null, error, running: 0 };
    }
  }

  function restart(): void {
    const { instance } = opened;
    opened = open();
    // Callers still get their responses. Queued mail of the old instance concerns rows that are no longer there.
    instance?.transport.stopDrains();
  }

  /** The last invocation of an instance that was replaced closes it. */
  async function leave(current: Opened): Promise<void> {
    current.running--;
    if (current.running === 0 && current !== opened) await current.instance?.close();
  }
}

/** An instance, and the number of invocations that use it. */
type Opened = { running: number } & (
  | { readonly instance: WorkerInstance; readonly error: null }
  | { readonly instance: null; readonly error: unknown }
);

/** Sends the queued mail that is due. */
export function drain({ sealpost, transport }: WorkerInstance): Promise<void> {
  return transport.drainNow(internalsOf(sealpost).services.drain);
}
