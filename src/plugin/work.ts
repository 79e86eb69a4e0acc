import { getLogger } from "@logtape/logtape";
import { orAborted } from "../async/abort.ts";
import type { WriteStatement } from "../contracts/database.ts";
import type { DrainBounds, PluginInstance } from "../contracts/plugin/definition.ts";
import type { Epoch } from "../storage/epoch.ts";
import type { RunInBackground } from "./background.ts";

/** Bounds the delay of work that another process has recorded, or that is to be repeated. */
const SWEEP_MS = 5_000;
/** Interval of the drains of a plugin that does not say when its work is due. */
const UNKNOWN_DUE_MS = 60_000;
/** Wakes within this time share a drain. */
const PAUSE_MS = 50;

const log = getLogger(["sealpost", "plugin"]);

type DrainWork = (bounds: DrainBounds) => Promise<void>;
/** The part of a plugin that has work. */
type WorkInstance = Pick<PluginInstance, "drain" | "nextDueAt" | "abandonLeases">;

/** The work of plugins that no request waits for. */
export interface PluginWork {
  /** Adds the work of a plugin, if it has any. */
  add(plugin: string, instance: WorkInstance): void;
  /** Names of the plugins that have work. */
  readonly plugins: readonly string[];
  /**
   * Returns when the next work is due that a drain before now has not done, in milliseconds since the Unix epoch. Soon
   * during a drain, because the object that asks may end at any time. Infinite if none waits.
   * @param now the same.
   */
  nextAt(now: number): Promise<number>;
  /** Returns the statements that end the leases of a process that has ended. Only for the only worker of a database. */
  abandonLeases(): readonly WriteStatement[];
  /** Starts a drain soon, if {@link PluginWork.run} runs in this process or an invocation of a Worker can drain. */
  wake(): void;
  /** Drains at every wake, and every few seconds, until the signal is aborted and the drains have ended. */
  run(signal: AbortSignal): Promise<void>;
  /** Drains once. Never rejects. */
  drain: DrainWork;
}

/** The work of plugins depends on these. */
export interface PluginWorkDeps {
  readonly epoch: Pick<Epoch, "run">;
  readonly background: RunInBackground;
  /** Drains in the current invocation of a Worker. Elsewhere the worker of the process does it. */
  readonly drainLater: () => Promise<void>;
}

export function createPluginWork({ epoch, background, drainLater }: PluginWorkDeps): PluginWork {
  const workers: (Omit<WorkInstance, "drain"> & { readonly plugin: string; readonly work: DrainWork })[] = [];
  let drainsInFlight = 0;
  let woken: PromiseWithResolvers<void> | null = null;

  const drain: DrainWork = async (bounds) => {
    const drains = workers.map(({ plugin, work }) =>
      // A unit of work of its own: it must not depend on the request that woke it.
      epoch
        .run(() => work(bounds))
        .catch((error) => log.error("Plugin {plugin} could not do its work: {error}", { plugin, error })),
    );
    drainsInFlight++;
    await Promise.all(drains);
    drainsInFlight--;
  };

  return {
    add(plugin, { drain: work, ...rest }) {
      if (work) workers.push({ plugin, work, ...rest });
    },

    get plugins() {
      return workers.map(({ plugin }) => plugin);
    },

    async nextAt(now) {
      if (drainsInFlight > 0) return now + SWEEP_MS;
      const times = workers.map(async ({ nextDueAt }) => {
        if (nextDueAt === undefined) return now + UNKNOWN_DUE_MS;
        const dueAt = await epoch.run(nextDueAt);
        return dueAt === null ? Number.POSITIVE_INFINITY : Math.max(dueAt.getTime(), now + SWEEP_MS);
      });
      return Math.min(...(await Promise.all(times)));
    },

    abandonLeases: () => workers.flatMap((one) => one.abandonLeases?.() ?? []),

    wake() {
      woken?.resolve();
      background(drainLater());
    },

    async run(signal) {
      if (workers.length === 0) return;
      const inFlight = new Set<Promise<void>>();
      const bounds = { signal, timeLeftMs: () => Number.POSITIVE_INFINITY, isSequential: false };
      while (!signal.aborted) {
        woken = Promise.withResolvers();
        const draining = drain(bounds).finally(() => inFlight.delete(draining));
        inFlight.add(draining);
        await pause(PAUSE_MS, signal);
        await pause(SWEEP_MS, signal, woken);
      }
      woken = null;
      await Promise.all(inFlight);
    },

    drain,
  };
}

/** Waits for some time, until `over` is resolved, or until the signal is aborted. */
async function pause(
  timeMs: number,
  signal: AbortSignal,
  over: PromiseWithResolvers<void> = Promise.withResolvers(),
): Promise<void> {
  const timer = setTimeout(over.resolve, timeMs);
  await orAborted(over.promise, signal);
  clearTimeout(timer);
}
