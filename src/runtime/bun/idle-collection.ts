import { fullGC } from "bun:jsc";

interface IdleCollectionDeps {
  /** CPU time of all threads since the start of the process, in milliseconds. */
  readonly cpuMs: () => number;
  /** Monotonic time in milliseconds. */
  readonly nowMs: () => number;
  readonly collect: () => void;
}

const REAL: IdleCollectionDeps = { cpuMs, nowMs: () => performance.now(), collect: fullGC };

const CHECK_EVERY_MS = 2_000;
/** A process that uses less of one processor between two checks is idle: timers and the worker's sweep use about 0.01. */
const IDLE_SHARE = 0.05;
/** CPU time of other work for each millisecond of collections. */
const WORK_PER_COLLECTION = 40;
/** A server without large plugins takes about this long. */
const INITIAL_COLLECTION_MS = 25;

/**
 * Collects all garbage within four seconds after work, so that the engine returns its pages to the system. Its own
 * collection follows 8 s to more than 30 s after the last request, and until then a quarter of the memory is garbage.
 */
export function collectWhenIdle(): void {
  setInterval(createIdleCheck(REAL), CHECK_EVERY_MS).unref();
}

/** Creates a check that collects garbage if the process has worked since the last collection, and not since the last check. */
export function createIdleCheck({ cpuMs, nowMs, collect }: IdleCollectionDeps): () => void {
  let last = { cpuMs: cpuMs(), nowMs: nowMs() };
  let collectionMs = INITIAL_COLLECTION_MS;
  let collectedAtCpuMs = 0;
  return () => {
    const current = { cpuMs: cpuMs(), nowMs: nowMs() };
    const isIdle = current.cpuMs - last.cpuMs < IDLE_SHARE * (current.nowMs - last.nowMs);
    last = current;
    if (!isIdle || current.cpuMs - collectedAtCpuMs < WORK_PER_COLLECTION * collectionMs) return;
    collect();
    collectedAtCpuMs = cpuMs();
    collectionMs = collectedAtCpuMs - current.cpuMs;
  };
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
