import type { Platform } from "../../contracts/platform.ts";

/** The wall clock was set if it moves this much against a clock that never jumps. */
const JUMP_MS = 5_000;

/** Detects that the wall clock was set, or that the machine was asleep. */
export class ClockJumpDetector {
  readonly #platform: Pick<Platform, "now">;
  #offsetMs: number;

  constructor(platform: Pick<Platform, "now">) {
    this.#platform = platform;
    this.#offsetMs = this.#readOffset();
  }

  /** Whether the clock has jumped since the last call. */
  hasJumped(): boolean {
    const offsetMs = this.#readOffset();
    const hasJumped = Math.abs(offsetMs - this.#offsetMs) > JUMP_MS;
    // Small steps are not forgotten, because together they may be a jump.
    if (hasJumped) this.#offsetMs = offsetMs;
    return hasJumped;
  }

  #readOffset(): number {
    return this.#platform.now().getTime() - performance.now();
  }
}
