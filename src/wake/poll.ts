import type { Wake, WakeSource } from "../contracts/wake.ts";
import { closedError } from "./closed.ts";
import { hear, type Listener } from "./receive.ts";

/** Mail of another process waits so long at most, for one small query a second. */
const SWEEP_MS = 1_000;
/** The longest time between two tries of a mail; what lies further ahead is the sweep's. */
const LONGEST_TIMER_MS = 3_600_000;
/** Timers at the same time; a server that is down for all mail must not fill the memory. */
const MOST_TIMERS = 1_000;
/** A timer may fire a fraction of a millisecond early, and the mail would not be due. */
const SPARE_MS = 1;

export interface PollWakeOptions {
  readonly now: () => Date;
}

/**
 * The wake `poll`: tells the listeners of this process at once, every one of them, and leaves what others write to
 * their sweep. Without listeners it does nothing, which is what a Worker needs.
 */
export function createPollWake({ now }: PollWakeOptions): Wake & WakeSource {
  // Objects, so that one function can listen twice.
  const listeners = new Set<{ readonly on: Listener; readonly end: () => void }>();
  const timers = new Set<NodeJS.Timeout>();
  let isClosed = false;

  const tell = (mailIds: readonly string[]): void => {
    for (const { on } of listeners) for (const mailId of mailIds) void hear(on, mailId);
  };

  const tellLater = (mailIds: readonly string[], waitMs: number): void => {
    if (waitMs > LONGEST_TIMER_MS || timers.size >= MOST_TIMERS) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      tell(mailIds);
    }, waitMs + SPARE_MS);
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
      if (waitMs > 0) tellLater(mailIds, waitMs);
      else tell(mailIds);
    },
    async listen(on, { signal }) {
      if (isClosed) throw closedError();
      if (signal.aborted) return;
      const { promise: ended, resolve } = Promise.withResolvers<void>();
      const end = (): void => resolve();
      const listener = { on, end };
      listeners.add(listener);
      signal.addEventListener("abort", end, { once: true });
      await ended;
      signal.removeEventListener("abort", end);
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
