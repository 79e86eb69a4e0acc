import type { Socket } from "node:net";
import { type Connect, ConnectError } from "../contracts/transport.ts";

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

/** A {@link Connect} whose connections can all be aborted. */
interface AbortableConnect {
  readonly connect: Connect;
  /** Closes every connection, also those being opened, and rejects later ones. Their deliveries end with a receipt. */
  abort(): void;
  /** Aborted by {@link AbortableConnect.abort}, before it closes the connections. */
  readonly signal: AbortSignal;
}

/** Creates a {@link Connect} whose connections can be aborted, so that a shutdown need not wait for them. */
export function createAbortableConnect(connect: Connect): AbortableConnect {
  const sockets = new Set<Socket>();
  const stop = new AbortController();
  const abortable: Connect = async (target, options) => {
    const signal = AbortSignal.any([options.signal, stop.signal]);
    try {
      signal.throwIfAborted();
      const socket = await connect(target, { ...options, signal });
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      return socket;
    } catch (cause) {
      if (!stop.signal.aborted || options.signal.aborted) throw cause;
      throw new ConnectError("connect", "cancelled", true, { cause });
    }
  };
  return {
    signal: stop.signal,
    // With its power to avoid an address.
    connect: Object.assign(abortable, connect),
    abort() {
      stop.abort();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/**
 * Resolves or rejects as the work does, within a time. The work itself goes on, and its late result is ignored.
 * @param createError creates the error to reject with if the work takes longer.
 */
export async function withDeadline<T>(
  work: Promise<T>,
  timeoutMs: number,
  createError: () => Error,
): Promise<T> {
  const deadline = Promise.withResolvers<never>();
  const timer = setTimeout(() => deadline.reject(createError()), timeoutMs);
  try {
    return await Promise.race([work, deadline.promise]);
  } finally {
    clearTimeout(timer);
  }
}
