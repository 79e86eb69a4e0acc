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
 * The time of one delivery: how long each phase takes, and when it has to stop. The timers are of elapsed time, so a
 * server that trickles does not escape them.
 */
export class DeliveryTimer implements Disposable {
  readonly #limits: TimeLimits;
  readonly #cancel: AbortSignal;
  readonly #stop = new AbortController();
  readonly #timingMs: Partial<Record<Phase, number>> = {};
  #phase: Phase | null = null;
  #phaseStartedMs = 0;
  #totalEndsMs: number;
  #timer: ReturnType<typeof setTimeout>;
  #isMessageStarted = false;
  #isEndWritten = false;
  #isOver = false;

  constructor(limits: TimeLimits, cancel: AbortSignal) {
    this.#limits = limits;
    this.#cancel = cancel;
    this.#totalEndsMs = performance.now() + limits.totalMs;
    this.#timer = this.#startTimer(limits.totalMs);
    cancel.addEventListener("abort", this.#onCancel);
  }

  /** Aborted when the delivery has to stop: by a {@link DeliveryTimeout}, or for the caller's reason. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get phase(): Phase {
    return this.#phase ?? "connect";
  }

  /** Starts the clock and the bound of a phase; staying in the phase does not. */
  enter(phase: Phase): void {
    if (phase === this.#phase || this.#isOver) return;
    this.#closePhase();
    this.#phase = phase;
    this.#phaseStartedMs = performance.now();
    if (!this.#isEndWritten) this.#restart(this.#limits.stepMs);
  }

  /** Bytes of the message are written: from now on the caller's cancellation comes too late. */
  startMessage(): void {
    if (this.#isMessageStarted) return;
    this.#isMessageStarted = true;
    this.#restart(this.#limits.stepMs);
  }

  /** The end of the message is written: only the reply decides what became of it, so that is given more time. */
  endMessage(): void {
    if (this.#isEndWritten) return;
    this.startMessage();
    this.#isEndWritten = true;
    const { stepMs, endsMs = Number.POSITIVE_INFINITY } = this.#limits;
    const finalReplyMs = Math.min(this.#limits.finalReplyMs, Math.max(0, endsMs - performance.now()));
    if (finalReplyMs > stepMs) {
      this.#totalEndsMs = Math.max(this.#totalEndsMs, performance.now() + finalReplyMs);
    }
    this.#restart(finalReplyMs);
  }

  /** Nothing of the message was accepted, and another connection is used. */
  restart(): void {
    this.#closePhase();
    this.#isMessageStarted = false;
    this.#isEndWritten = false;
  }

  /** Ends the last phase. @returns the time of each, in milliseconds. */
  finish(): TimingMs {
    this.#closePhase();
    return this.#timingMs;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#cancel.removeEventListener("abort", this.#onCancel);
  }

  readonly #onCancel = (): void => {
    if (!this.#isMessageStarted) this.#stop.abort(this.#cancel.reason);
  };

  #closePhase(): void {
    if (this.#phase === null) return;
    const elapsedMs = performance.now() - this.#phaseStartedMs;
    this.#timingMs[this.#phase] = (this.#timingMs[this.#phase] ?? 0) + elapsedMs;
    this.#phase = null;
  }

  #restart(limitMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = this.#startTimer(Math.min(limitMs, Math.max(0, this.#totalEndsMs - performance.now())));
  }

  #startTimer(ms: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.#stop.abort(new DeliveryTimeout("The time for the delivery is over")), ms);
  }
}
