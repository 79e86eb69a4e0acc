import { getLogger } from "@logtape/logtape";
import { orAborted } from "../async/abort.ts";
import type { Database } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import type { DrainBounds, PluginInstance } from "../contracts/plugin/definition.ts";
import type { Epoch } from "../storage/epoch.ts";
import { createRun, type RunInBackground } from "./background.ts";

/** Bounds the delay of work that another process has recorded, or that is to be repeated. */
export const SWEEP_MS = 5_000;
/** The same where sweeps are rare, but only for another process that records work and does not do it itself. */
const RARE_SWEEP_MS = 60_000;
/** Interval of the drains of a plugin that does not say when its work is due. */
const UNKNOWN_DUE_MS = 60_000;
/** Bounds the time in which a plugin says when its work is due: the alarm of an object waits for it. */
const NEXT_DUE_MS = 2_000;
/** Wakes within this time share a drain. */
const PAUSE_MS = 50;

const log = getLogger(["sealpost", "plugin"]);
const runNextDue = createRun(NEXT_DUE_MS);

type DrainWork = (bounds: DrainBounds) => Promise<void>;
/** The part of a plugin that has work. */
type WorkInstance = Pick<PluginInstance, "drain" | "nextDueAt" | "abandonLeases">;

/** A plugin with work, or with leases. */
interface NamedInstance {
  readonly plugin: string;
  readonly instance: WorkInstance;
}

/** The work of plugins that no request waits for. */
export interface PluginWork {
  /** Adds the work of a plugin, if it has any, and its leases. */
  add(plugin: string, instance: WorkInstance): void;
  /** Names of the plugins that have work. */
  readonly plugins: readonly string[];
  /**
   * Returns when the next work is due that a drain before now has not done, in milliseconds since the Unix epoch. Soon
   * during a drain, because the object that asks may end at any time. Infinite if none waits. Never rejects.
   * @param now the same.
   * @param unsaidMs in how many milliseconds it is due where a plugin fails to say it. Default: a minute.
   */
  nextAt(now: number, unsaidMs?: number): Promise<number>;
  /**
   * Ends the leases of a process that has ended. Only for the only worker of a database, before it starts the plugins.
   * Never rejects: where it fails, the leases expire.
   */
  abandonLeases(): Promise<void>;
  /** Starts a drain soon, if {@link PluginWork.run} runs in this process or an invocation of a Worker can drain. */
  wake(): void;
  /**
   * Drains at every wake, and every few seconds, until the signal is aborted and the drains have ended.
   * @param options `isRare`: if each plugin says when its work is due, drain only then and every minute, because each
   * drain is a round trip.
   */
  run(signal: AbortSignal, options?: { readonly isRare: boolean }): Promise<void>;
  /** Drains once. Never rejects. */
  drain: DrainWork;
}

/** The work of plugins depends on these. */
export interface PluginWorkDeps {
  readonly database: Pick<Database, "commit">;
  readonly epoch: Pick<Epoch, "run">;
  readonly background: RunInBackground;
  readonly platform: Pick<Platform, "now">;
  /** Drains in the current invocation of a Worker. Elsewhere the worker of the process does it. */
  readonly drainLater: () => Promise<void>;
  /** Whether drains share the few connections of a Durable Object. Each plugin then has one at a time. */
  readonly sharesDrains: boolean;
}

export function createPluginWork(deps: PluginWorkDeps): PluginWork {
  const { database, epoch, background, platform, drainLater, sharesDrains } = deps;
  const workers: { readonly plugin: string; readonly instance: WorkInstance; readonly drain: DrainWork }[] =
    [];
  const lessees: NamedInstance[] = [];
  const drains = new Set<Pick<DrainBounds, "timeLeftMs">>();
  let woken: PromiseWithResolvers<void> | null = null;

  const drain: DrainWork = async (bounds) => {
    const own = { timeLeftMs: bounds.timeLeftMs };
    drains.add(own);
    await Promise.all(workers.map((worker) => worker.drain(bounds)));
    drains.delete(own);
  };

  async function nextAt(now: number, unsaidMs = UNKNOWN_DUE_MS): Promise<number> {
    // One that goes on after its time may never end.
    if ([...drains].some(({ timeLeftMs }) => timeLeftMs() > 0)) return now + SWEEP_MS;
    const times = workers.map((worker) => nextOf(worker, epoch, now, unsaidMs));
    return Math.min(...(await Promise.all(times)));
  }

  return {
    nextAt,

    add(plugin, instance) {
      if (instance.abandonLeases) lessees.push({ plugin, instance });
      if (!instance.drain) return;
      // A unit of work of its own: it must not depend on the request that woke it.
      const run: DrainWork = (bounds) =>
        epoch
          .run(async () => instance.drain?.(bounds))
          .catch((error) => log.error("Plugin {plugin} could not do its work: {error}", { plugin, error }));
      workers.push({ plugin, instance, drain: sharesDrains ? createSharedDrain(run) : run });
    },

    get plugins() {
      return workers.map(({ plugin }) => plugin);
    },

    async abandonLeases() {
      try {
        await commitLeases(database, lessees);
      } catch {
        // Each alone, so that one that fails affects no other.
        for (const lessee of lessees) await abandonLeases(database, lessee);
      }
    },

    wake() {
      woken?.resolve();
      background(drainLater());
    },

    async run(signal, options) {
      if (workers.length === 0) return;
      const isRare = options?.isRare && workers.every(({ instance }) => instance.nextDueAt !== undefined);
      const inFlight = new Set<Promise<void>>();
      const bounds = { signal, timeLeftMs: () => Number.POSITIVE_INFINITY, isSequential: false };
      while (!signal.aborted) {
        const wake = Promise.withResolvers<void>();
        woken = wake;
        const draining = drain(bounds).finally(() => inFlight.delete(draining));
        inFlight.add(draining);
        await pause(PAUSE_MS, signal);
        if (isRare) await pause(SWEEP_MS, signal, Promise.race([draining, wake.promise]));
        await pause(
          isRare ? await rareSweepMs(nextAt, platform.now().getTime()) : SWEEP_MS,
          signal,
          wake.promise,
        );
      }
      woken = null;
      await Promise.all(inFlight);
    },

    drain,
  };
}

async function abandonLeases(database: PluginWorkDeps["database"], lessee: NamedInstance): Promise<void> {
  const { plugin } = lessee;
  await commitLeases(database, [lessee]).catch((error) =>
    log.error("Plugin {plugin} could not end its leases: {error}", { plugin, error }),
  );
}

async function commitLeases(
  database: PluginWorkDeps["database"],
  lessees: readonly NamedInstance[],
): Promise<void> {
  const statements = lessees.flatMap(({ instance }) => instance.abandonLeases?.() ?? []);
  if (statements.length > 0) await database.commit(statements);
}

/** Returns when the next work of a plugin is due, in milliseconds since the Unix epoch. */
async function nextOf(
  { plugin, instance }: NamedInstance,
  epoch: PluginWorkDeps["epoch"],
  now: number,
  unsaidMs: number,
): Promise<number> {
  if (instance.nextDueAt === undefined) return now + UNKNOWN_DUE_MS;
  const next = async () => {
    const dueAt = await epoch.run(async () => (await instance.nextDueAt?.()) ?? null);
    if (dueAt === null) return Number.POSITIVE_INFINITY;
    if (Number.isNaN(dueAt.getTime())) throw new TypeError("The date of nextDueAt() is not valid");
    return Math.max(dueAt.getTime(), now + SWEEP_MS);
  };
  return runNextDue(plugin, "say when its work is due", next, now + unsaidMs);
}

/** Returns the time until the next rare sweep, by what the latest drain has left. */
async function rareSweepMs(nextAt: PluginWork["nextAt"], now: number): Promise<number> {
  return Math.min((await nextAt(now, SWEEP_MS)) - now, RARE_SWEEP_MS);
}

/** Creates a drain of which one runs at a time. A call during one has it look again, and returns immediately. */
function createSharedDrain(drain: DrainWork): DrainWork {
  let current: DrainBounds | null = null;
  let isAsked = false;
  return async (bounds) => {
    isAsked = true;
    // One that goes on after its time may never end.
    if (current !== null && current.timeLeftMs() > 0) return;
    current = bounds;
    while (isAsked && bounds.timeLeftMs() > 0 && !bounds.signal.aborted) {
      isAsked = false;
      await drain(bounds);
    }
    if (current === bounds) current = null;
  };
}

/** Waits for some time, until `over` is resolved, or until the signal is aborted. */
async function pause(timeMs: number, signal: AbortSignal, over?: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, timeMs);
  void over?.then(resolve);
  await orAborted(promise, signal);
  clearTimeout(timer);
}
