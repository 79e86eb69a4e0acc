import { onAbort } from "../../async/on-abort.ts";
import type { Phase, TimingMs } from "../../domain/delivery.ts";

export interface TimeLimits {
  /** Bound of each phase, in milliseconds. */
  readonly stepMs: number;
  /** Bound of the whole delivery, waiting for a connection included. */
  readonly totalMs: number;
  /** Bound of the wait for the reply to the end of the message; may reach beyond `totalMs`. */
  readonly finalReplyMs: number;
  /** When even that wait is over, on the clock of `performance.now()`; default: never. */
  readonly endsMs?: number | undefined;
}

/** The reason of {@link DeliveryTimer.signal} when a bound is reached. */
export class DeliveryTimeout extends Error {
  override readonly name = "DeliveryTimeout";
}

/**
 * The time of one delivery: how long each phase takes, and when it has to stop. The bounds are of elapsed time, so a
 * server that trickles does not escape them.
 */
export class DeliveryTimer implements Disposable {
  readonly #limits: TimeLimits;
  readonly #cancel: AbortSignal;
  readonly #forgetCancel: () => void;
  readonly #timingMs: Partial<Record<Phase, number>> = {};
  readonly #listeners = new Set<(reason: unknown) => void>();
  #phase: Phase | null = null;
  #phaseStartedMs = 0;
  #totalEndsMs: number;
  #deadlineMs: number;
  /** When the timer that runs fires; it is set anew only for an earlier deadline, as most come in time. */
  #firesMs = Number.POSITIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isMessageStarted = false;
  #isEndWritten = false;
  #stopped: { readonly reason: unknown } | null = null;
  #isOver = false;

  constructor(limits: TimeLimits, cancel: AbortSignal) {
    this.#limits = limits;
    this.#cancel = cancel;
    const nowMs = performance.now();
    this.#totalEndsMs = nowMs + limits.totalMs;
    this.#deadlineMs = this.#totalEndsMs;
    // At the earliest bound that any phase can have: then no phase has to set it anew.
    this.#arm(nowMs, Math.min(limits.stepMs, limits.totalMs));
    this.#forgetCancel = onAbort(cancel, this.#onCancel);
  }

  get phase(): Phase {
    return this.#phase ?? "connect";
  }

  /** Why the delivery has to stop: a {@link DeliveryTimeout}, or the caller's reason; null if it may go on. */
  get stopped(): { readonly reason: unknown } | null {
    return this.#stopped;
  }

  /** Calls back once if the delivery has to stop. @returns what takes that back. */
  onStop(listener: (reason: unknown) => void): () => void {
    this.#listeners.add(listener);
    if (this.#stopped !== null) listener(this.#stopped.reason);
    return () => void this.#listeners.delete(listener);
  }

  /** Starts the clock and the bound of a phase; staying in the phase does not. */
  enter(phase: Phase): void {
    if (phase === this.#phase || this.#isOver) return;
    const nowMs = performance.now();
    this.#closePhase(nowMs);
    this.#phase = phase;
    this.#phaseStartedMs = nowMs;
    if (!this.#isEndWritten) this.#bound(nowMs + this.#limits.stepMs);
  }

  /** Bytes of the message are written: from now on the caller's cancellation comes too late. */
  startMessage(): void {
    if (this.#isMessageStarted) return;
    this.#isMessageStarted = true;
    this.#bound(performance.now() + this.#limits.stepMs);
  }

  /** The end of the message is written: only the reply decides the outcome, so that is given more time. */
  endMessage(): void {
    if (this.#isEndWritten) return;
    this.#isMessageStarted = true;
    this.#isEndWritten = true;
    const nowMs = performance.now();
    const { stepMs, endsMs = Number.POSITIVE_INFINITY } = this.#limits;
    const finalReplyMs = Math.min(this.#limits.finalReplyMs, Math.max(0, endsMs - nowMs));
    if (finalReplyMs > stepMs) this.#totalEndsMs = Math.max(this.#totalEndsMs, nowMs + finalReplyMs);
    this.#bound(nowMs + finalReplyMs);
  }

  /** Nothing of the message was accepted, and another connection is used. */
  restart(): void {
    this.#closePhase(performance.now());
    this.#isMessageStarted = false;
    this.#isEndWritten = false;
  }

  /** Ends the last phase. @returns the time of each, in milliseconds. */
  finish(): TimingMs {
    this.#closePhase(performance.now());
    return this.#timingMs;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#listeners.clear();
    clearTimeout(this.#timer);
    this.#forgetCancel();
  }

  readonly #onCancel = (): void => {
    if (!this.#isMessageStarted) this.#stop(this.#cancel.reason);
  };

  #stop(reason: unknown): void {
    if (this.#stopped !== null || this.#isOver) return;
    this.#stopped = { reason };
    for (const listener of [...this.#listeners]) listener(reason);
  }

  #closePhase(nowMs: number): void {
    if (this.#phase === null) return;
    this.#timingMs[this.#phase] = (this.#timingMs[this.#phase] ?? 0) + nowMs - this.#phaseStartedMs;
    this.#phase = null;
  }

  #bound(deadlineMs: number): void {
    this.#deadlineMs = Math.min(deadlineMs, this.#totalEndsMs);
    if (this.#deadlineMs >= this.#firesMs) return;
    const nowMs = performance.now();
    this.#arm(nowMs, this.#deadlineMs - nowMs);
  }

  #arm(nowMs: number, waitMs: number): void {
    clearTimeout(this.#timer);
    this.#firesMs = nowMs + waitMs;
    this.#timer = setTimeout(this.#onTimer, Math.max(0, waitMs));
  }

  readonly #onTimer = (): void => {
    const nowMs = performance.now();
    // A timer may fire a fraction of a millisecond early.
    if (nowMs + 1 < this.#deadlineMs) this.#arm(nowMs, this.#deadlineMs - nowMs);
    else this.#stop(new DeliveryTimeout("The time for the delivery is over"));
  };
}
