import type { Database } from "./contracts/database.ts";
import type { Platform } from "./contracts/platform.ts";
import type { DrainBounds } from "./contracts/plugin/definition.ts";
import type { Wake, WakeSource } from "./contracts/wake.ts";
import type { DrainBudget } from "./mail/worker/dispatcher.ts";
import { createSharedDrain, type QueueWorker } from "./mail/worker/queue-worker.ts";
import { type PluginWork, SWEEP_MS } from "./plugin/work.ts";
import { createPollWake } from "./wake/poll.ts";

// Work that no request waits for: queued mail, and what plugins have to do. A process does it at every wake, until it stops.
// A Worker has no such process, and does it in drains, each within an invocation.

/**
 * Sends queued mail until the signal is aborted and deliveries in flight have ended. On Workers it resolves immediately.
 * @param deliveriesAborted when aborted, mail that no server has received yet is released.
 */
export type Work = (signal: AbortSignal, deliveriesAborted?: AbortSignal) => Promise<void>;

/** Sends the queued mail that is due. */
export type Drain = (options: DrainBudget) => Promise<void>;

/** Sends queued mail where work and connections belong to an invocation, as on Workers. */
export interface InvocationDrains {
  /** Whether invocations share connections, as in a Durable Object. A drain then joins the one that is going on. Default: `false`. */
  readonly isShared?: boolean | undefined;
  /** Drains in the invocation that queued a message, as far as it has time. Asking again before it starts changes nothing. */
  afterwards(drain: Drain): void | Promise<void>;
  /** Drains in an invocation of its own, which has this much time, in milliseconds. */
  within(timeMs: number, drain: Drain): Promise<void>;
}

/** Creates the drain of queued mail and of the work of plugins. @param deps both are created later. */
export function createDrain(deps: {
  readonly drains: InvocationDrains | undefined;
  readonly createWorker: () => QueueWorker;
  readonly drainPlugins: PluginWork["drain"];
}): Drain {
  const { drains, createWorker, drainPlugins } = deps;
  const drainMail: Drain = drains?.isShared
    ? createSharedDrain(createWorker)
    : (budget) => createWorker().drain(budget);
  return async (budget) => {
    await Promise.all([drainMail(budget), drainPlugins(boundsOf(budget))]);
  };
}

/** Returns the bounds of the plugins' work in a drain. */
function boundsOf({ signal, endsMs, maxConcurrent }: DrainBudget): DrainBounds {
  return {
    signal,
    timeLeftMs: () => endsMs - performance.now(),
    isSequential: maxConcurrent !== undefined,
  };
}

/** Creates the wake of a runtime that has no other: `poll`, or the drains of invocations. */
export function createWake({
  drains,
  drain,
  platform,
}: {
  readonly drains: InvocationDrains | undefined;
  readonly drain: Drain;
  readonly platform: Pick<Platform, "now">;
}): Wake & Partial<WakeSource> {
  return drains ? createDrainWake(drains, drain) : createPollWake(platform);
}

/** A wake for runtimes without a worker: the invocation that notifies also sends. A sweep finds what is due later. */
function createDrainWake(drains: InvocationDrains, drain: Drain): Wake {
  return {
    name: "poll",
    async notify(_, { notBefore } = {}) {
      if (notBefore === undefined) await drains.afterwards(drain);
    },
    async [Symbol.asyncDispose]() {
      // It holds nothing between invocations.
    },
  };
}

/** Creates the work of a process that listens to wakes: it sends what is queued, and does the work of plugins. */
export function createWork(deps: {
  readonly database: Pick<Database, "kind">;
  readonly wake: Wake & Partial<WakeSource>;
  readonly createWorker: () => QueueWorker;
  readonly plugins: Pick<PluginWork, "run">;
}): Work {
  const { database, wake, createWorker, plugins } = deps;
  return async (signal, deliveriesAborted) => {
    if (!isSource(wake)) return;
    // Where wakes are pushed, an idle worker rarely asks a server.
    const isRare = database.kind === "remote" && wake.sweepMs > SWEEP_MS;
    await Promise.all([
      createWorker().run(wake, { signal, deliveriesAborted }),
      plugins.run(signal, { isRare }),
    ]);
  };
}

function isSource(wake: Wake & Partial<WakeSource>): wake is Wake & WakeSource {
  return wake.listen !== undefined;
}
