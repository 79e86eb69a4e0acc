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
      const { instance, error } = opened;
      if (instance === null) throw error;
      const { result, end } = instance.transport.run(async () => {
        await instance.ready();
        return work(instance);
      }, timeMs);
      context.waitUntil(end);
      return result;
    },
  };

  function open(): Opened {
    // For errors in the settings themselves, the log level included.
    configureConsole("info");
    try {
      const { config, create } = plan(bindings);
      configureConsole(config.log);
      return { instance: create(config, restart), error: null };
    } catch (error) {
      return { instance: null, error };
    }
  }

  function restart(): void {
    const { instance } = opened;
    opened = open();
    // Its deliveries end; their outcomes concern rows that are no longer there.
    void instance?.transport[Symbol.asyncDispose]().catch(() => undefined);
  }
}

type Opened =
  | { readonly instance: WorkerInstance; readonly error: null }
  | { readonly instance: null; readonly error: unknown };

/** Sends the queued mail that is due. */
export function drain({ sealpost, transport }: WorkerInstance): Promise<void> {
  return transport.drainNow(internalsOf(sealpost).services.drain);
}
