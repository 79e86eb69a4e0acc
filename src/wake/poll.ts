import { onAbort } from "../async/abort.ts";
import type { Wake, WakeSource } from "../contracts/wake.ts";
import { closedError, type Listener, receiveWake } from "./receive.ts";

/** Bounds the delay of mail from another process, at the cost of one small query a second. */
const SWEEP_MS = 1_000;
/** Longest backoff between two attempts; the sweep finds messages that are due later. */
const MAX_TIMER_MS = 3_600_000;
/** Bounds the memory when a server is down for all messages. */
const MAX_TIMERS = 1_000;
/** A timer may fire a fraction of a millisecond early, before the message is due. */
const MARGIN_MS = 1;

interface PollWakeOptions {
  readonly now: () => Date;
}

/**
 * Creates the wake `poll`. It notifies every listener in this process immediately; other processes find the message in
 * their next sweep. Without listeners, as on a Worker, it does nothing.
 */
export function createPollWake({ now }: PollWakeOptions): Wake & WakeSource {
  // Wrapped in objects, so that one function can listen twice.
  const listeners = new Set<{ readonly on: Listener; readonly end: () => void }>();
  const timers = new Set<NodeJS.Timeout>();
  // Not an AbortController: a Worker may not create one in global scope.
  let isClosed = false;

  const notifyNow = (mailIds: readonly string[]): void => {
    for (const { on } of listeners) for (const mailId of mailIds) void receiveWake(on, mailId);
  };

  const notifyLater = (mailIds: readonly string[], waitMs: number): void => {
    if (waitMs > MAX_TIMER_MS || timers.size >= MAX_TIMERS) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      notifyNow(mailIds);
    }, waitMs + MARGIN_MS);
    timer.unref();
    timers.add(timer);
  };

  const stopTimers = (): void => {
    for (const timer of timers) clearTimeout(timer);
    timers.clear();
  };

  return {
    name: "poll",
    sweepMs: SWEEP_MS,
    async notify(mailIds, { notBefore } = {}) {
      if (isClosed) throw closedError();
      if (listeners.size === 0) return;
      const waitMs = notBefore === undefined ? 0 : notBefore.getTime() - now().getTime();
      if (waitMs > 0) notifyLater(mailIds, waitMs);
      else notifyNow(mailIds);
    },
    async listen(on, { signal }) {
      if (isClosed) throw closedError();
      if (signal.aborted) return;
      const { promise: ended, resolve } = Promise.withResolvers<void>();
      const listener = { on, end: () => resolve() };
      listeners.add(listener);
      const cancel = onAbort(signal, listener.end);
      await ended;
      cancel();
      listeners.delete(listener);
      if (listeners.size === 0) stopTimers();
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      stopTimers();
      for (const { end } of listeners) end();
    },
  };
}
