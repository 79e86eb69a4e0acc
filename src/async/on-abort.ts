/** Calls to make when a signal is aborted. A signal has one listener, however many messages it is given to. */
const callsOf = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls back once if the signal is aborted; not if it already is. @returns what takes that back. */
export function onAbort(signal: AbortSignal, call: () => void): () => void {
  const calls = callsOf.get(signal) ?? listen(signal);
  calls.add(call);
  return () => void calls.delete(call);
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
