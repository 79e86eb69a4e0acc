import type { Platform } from "../../contracts/platform.ts";

/** A clock that runs away from one that nobody sets, was set. */
const JUMP_MS = 5_000;

/** Notices when the clock is set, or the machine was asleep. */
export class ClockWatch {
  readonly #platform: Pick<Platform, "now">;
  #offsetMs: number;

  constructor(platform: Pick<Platform, "now">) {
    this.#platform = platform;
    this.#offsetMs = this.#readOffset();
  }

  /** Whether that has happened since the last call. */
  hasJumped(): boolean {
    const offsetMs = this.#readOffset();
    const hasJumped = Math.abs(offsetMs - this.#offsetMs) > JUMP_MS;
    // Small steps are kept in view: many of them are a jump, too.
    if (hasJumped) this.#offsetMs = offsetMs;
    return hasJumped;
  }

  #readOffset(): number {
    return this.#platform.now().getTime() - performance.now();
  }
}
