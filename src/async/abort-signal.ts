/** Calls to make when a signal is aborted. A signal has one listener, however many messages share it. */
const callsOf = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls back once when the signal is aborted; never if it already is.
 * @returns a function that cancels the call.
 */
export function onAbort(signal: AbortSignal, call: () => void): () => void {
  const calls = callsOf.get(signal) ?? listen(signal);
  calls.add(call);
  return () => void calls.delete(call);
}

/** Resolves when the signal is aborted, immediately if it already is. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else onAbort(signal, resolve);
  return promise;
}

/** Resolves or rejects as the work does, or resolves when the signal is aborted. The work itself goes on. */
export async function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) return;
  // A race with a promise that outlives the work would keep a reaction for each race.
  const cancel = onAbort(signal, resolve);
  try {
    await Promise.race([work, aborted]);
  } finally {
    cancel();
  }
}

function listen(signal: AbortSignal): Set<() => void> {
  const calls = new Set<() => void>();
  callsOf.set(signal, calls);
  const run = (): void => {
    for (const call of [...calls]) call();
  };
  signal.addEventListener("abort", run, { once: true });
  return calls;
}
