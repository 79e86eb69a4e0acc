import {
  type FailureCode,
  notSent,
  type Phase,
  type SmtpReply,
  type TimingMs,
  unknownOutcome,
} from "../domain/delivery.ts";
import { DeliveryError } from "./delivery-error.ts";

export interface Limits {
  /** Bound of each phase. */
  readonly stepMs: number;
  /** Bound of the whole mail, waiting for a connection included. */
  readonly wholeMs: number;
  /** Bound of the wait for the reply to the end of the body; may reach beyond `wholeMs`. */
  readonly finalReplyMs: number;
  /** When even that wait is over, on the clock of `performance.now()`; default: never. */
  readonly endsMs?: number | undefined;
}

type Body = "ahead" | "begun" | "ended";

/**
 * One mail on its way: the phase it is in, the time each phase took, and when it has to stop. The timers are of
 * elapsed time, so a server that trickles does not escape them.
 */
export class Attempt implements Disposable {
  readonly #limits: Limits;
  readonly #cancel: AbortSignal;
  readonly #stop = new AbortController();
  readonly #timingMs: Partial<Record<Phase, number>> = {};
  #phase: Phase | null = null;
  #phaseStartedMs = 0;
  #wholeEndsMs: number;
  #timer: ReturnType<typeof setTimeout>;
  #body: Body = "ahead";
  #isOver = false;

  constructor(limits: Limits, cancel: AbortSignal) {
    this.#limits = limits;
    this.#cancel = cancel;
    this.#wholeEndsMs = performance.now() + limits.wholeMs;
    this.#timer = this.#startTimer(limits.wholeMs);
    cancel.addEventListener("abort", this.#onCancel);
  }

  /** Aborted when the mail has to stop: the reason is a {@link DeliveryError}, or the caller's own. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get hasBody(): boolean {
    return this.#body !== "ahead";
  }

  get isBodySent(): boolean {
    return this.#body === "ended";
  }

  /** Starts the phase's clock and bound; staying in the same phase does not. */
  enter(phase: Phase): void {
    if (phase === this.#phase || this.#isOver) return;
    this.#closePhase();
    this.#phase = phase;
    this.#phaseStartedMs = performance.now();
    this.#restart(this.#limits.stepMs);
  }

  /** The body goes out now: the caller's cancelling comes too late. */
  beginBody(): void {
    this.#body = "begun";
    this.#restart(this.#limits.stepMs);
  }

  /** The terminator was handed over: without a usable reply nobody knows what became of the mail. */
  endBody(): void {
    this.#body = "ended";
    const { stepMs, endsMs = Number.POSITIVE_INFINITY } = this.#limits;
    const finalReplyMs = Math.min(this.#limits.finalReplyMs, Math.max(0, endsMs - performance.now()));
    if (finalReplyMs > stepMs) {
      this.#wholeEndsMs = Math.max(this.#wholeEndsMs, performance.now() + finalReplyMs);
    }
    this.#restart(finalReplyMs);
  }

  /** The failure `code`, here and now. */
  failure(
    code: FailureCode,
    reply: SmtpReply | null = null,
    phase = this.#phase ?? "connect",
  ): DeliveryError {
    if (this.#body === "ended") return new DeliveryError(unknownOutcome(code, reply));
    return new DeliveryError(notSent(phase, code, reply));
  }

  /** Nothing of the mail was taken and another connection is used: as if it had just begun. */
  rewind(): void {
    this.#closePhase();
  }

  /** Ends the last phase. @returns the time of each. */
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
    if (!this.hasBody) this.#stop.abort(this.#cancel.reason);
  };

  #closePhase(): void {
    if (this.#phase === null) return;
    const elapsedMs = performance.now() - this.#phaseStartedMs;
    this.#timingMs[this.#phase] = (this.#timingMs[this.#phase] ?? 0) + elapsedMs;
    this.#phase = null;
  }

  #restart(limitMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = this.#startTimer(Math.min(limitMs, Math.max(0, this.#wholeEndsMs - performance.now())));
  }

  #startTimer(ms: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.#stop.abort(this.failure("timeout")), ms);
  }
}
