import { onAbort } from "../../async/abort.ts";
import type { Phase, TimingMs } from "../../domain/delivery.ts";

export interface TimeLimits {
  /** Bound of each phase, in milliseconds. */
  readonly stepTimeoutMs: number;
  /** Bound of the whole delivery, including the wait for a connection. */
  readonly totalTimeoutMs: number;
  /** Bound of the wait for the reply to the end of the message. May reach beyond `totalTimeoutMs`. */
  readonly finalReplyTimeoutMs: number;
  /** End of that wait in any case, on the clock of `performance.now()`. Default: none. */
  readonly endsMs?: number | undefined;
}

/** The reason for which a {@link DeliveryTimer} stops when a bound is reached. */
export class DeliveryTimeout extends Error {
  override readonly name = "DeliveryTimeout";
}

/**
 * Measures the phases of one delivery and stops it at its bounds. These are bounds of elapsed time, so they hold for a
 * server that sends one octet at a time.
 */
export class DeliveryTimer implements Disposable {
  readonly #limits: TimeLimits;
  readonly #signal: AbortSignal;
  readonly #forgetAbort: () => void;
  readonly #timingMs: Partial<Record<Phase, number>> = {};
  readonly #listeners = new Set<(reason: unknown) => void>();
  #phase: Phase | null = null;
  #phaseStartedMs = 0;
  /** End of the delivery without the wait for the reply to the end of the message. */
  readonly #wholeEndsMs: number;
  #totalEndsMs: number;
  #deadlineMs: number;
  /** Time at which the running timer fires. It is replaced only for an earlier deadline, because most deadlines are not reached. */
  #firesMs = Number.POSITIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isMessageStarted = false;
  #isEndWritten = false;
  #stopped: { readonly reason: unknown } | null = null;
  #isOver = false;

  constructor(limits: TimeLimits, signal: AbortSignal) {
    this.#limits = limits;
    this.#signal = signal;
    const nowMs = performance.now();
    this.#wholeEndsMs = nowMs + limits.totalTimeoutMs;
    this.#totalEndsMs = this.#wholeEndsMs;
    this.#deadlineMs = this.#totalEndsMs;
    // The earliest bound of any phase, so that no phase has to replace the timer.
    this.#arm(nowMs, Math.min(limits.stepTimeoutMs, limits.totalTimeoutMs));
    this.#forgetAbort = onAbort(signal, this.#onCancel);
  }

  get phase(): Phase {
    return this.#phase ?? "connect";
  }

  /** Reason for which the delivery stopped: a {@link DeliveryTimeout}, or the caller's. `null` if it has not. */
  get stopped(): { readonly reason: unknown } | null {
    return this.#stopped;
  }

  /** Calls back once if the delivery stops. @returns a function that removes the listener. */
  onStop(listener: (reason: unknown) => void): () => void {
    this.#listeners.add(listener);
    if (this.#stopped !== null) listener(this.#stopped.reason);
    return () => void this.#listeners.delete(listener);
  }

  /** Returns a signal that is aborted if the delivery stops, with the reason. */
  toSignal(): AbortSignal {
    const stop = new AbortController();
    this.onStop((reason) => stop.abort(reason));
    return stop.signal;
  }

  /** Starts the time and the bound of a phase. Entering the current phase again changes nothing. */
  enter(phase: Phase): void {
    if (phase === this.#phase || this.#isOver) return;
    const nowMs = performance.now();
    this.#closePhase(nowMs);
    this.#phase = phase;
    this.#phaseStartedMs = nowMs;
    if (!this.#isEndWritten) this.#bound(nowMs + this.#limits.stepTimeoutMs);
  }

  /**
   * A piece of the message is written: from now on the caller cannot cancel. Each piece that the server takes is a step
   * (RFC 5321 4.5.3.2.5), because a large message may need longer than one.
   */
  startPiece(): void {
    if (this.#isEndWritten) return;
    this.#isMessageStarted = true;
    this.#bound(performance.now() + this.#limits.stepTimeoutMs);
  }

  /** The end of the message is written. Only the reply decides the outcome, so wait longer for it. */
  endMessage(): void {
    if (this.#isEndWritten) return;
    this.#isMessageStarted = true;
    this.#isEndWritten = true;
    const nowMs = performance.now();
    const { stepTimeoutMs, endsMs = Number.POSITIVE_INFINITY } = this.#limits;
    const finalReplyMs = Math.min(this.#limits.finalReplyTimeoutMs, Math.max(0, endsMs - nowMs));
    if (finalReplyMs > stepTimeoutMs) this.#totalEndsMs = Math.max(this.#totalEndsMs, nowMs + finalReplyMs);
    this.#bound(nowMs + finalReplyMs);
  }

  /**
   * The message continues on another connection, because the server has accepted nothing of it. The wait for that
   * connection has no bound but that of the whole delivery, which may be over after the wait for the last reply.
   */
  restart(): void {
    const nowMs = performance.now();
    this.#closePhase(nowMs);
    this.#isMessageStarted = false;
    this.#isEndWritten = false;
    this.#totalEndsMs = this.#wholeEndsMs;
    if (nowMs >= this.#wholeEndsMs) this.#stop(new DeliveryTimeout("The delivery timed out"));
    else this.#bound(this.#totalEndsMs);
    if (this.#signal.aborted) this.#stop(this.#signal.reason);
  }

  /** Ends the latest phase. @returns the time of each phase, in milliseconds. */
  finish(): TimingMs {
    this.#closePhase(performance.now());
    return this.#timingMs;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#listeners.clear();
    clearTimeout(this.#timer);
    this.#forgetAbort();
  }

  readonly #onCancel = (): void => {
    if (!this.#isMessageStarted) this.#stop(this.#signal.reason);
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
    else this.#stop(new DeliveryTimeout("The delivery timed out"));
  };
}
