import type { HeldMail } from "./held-mail.ts";

/** So many mails are held for each connection, so that no connection waits for a commit. */
const HELD_PER_CONNECTION = 4;
/** Of definitions that are not saved, or no longer there. */
const DEFAULT_CONNECTIONS = 5;

/** The mails of one definition that a worker holds: as many are tried at a time as it has connections. */
export class LaneQueue {
  connections: number | null = null;
  held = 0;
  active = 0;
  readonly waiting: { readonly mail: HeldMail; readonly at: number }[] = [];

  get #most(): number {
    return this.connections ?? DEFAULT_CONNECTIONS;
  }

  /** How many more mails may be held. */
  get room(): number {
    return this.#most * HELD_PER_CONNECTION - this.held;
  }

  /** Whether the connections may run dry soon. */
  get wantsMore(): boolean {
    return this.waiting.length <= this.#most;
  }

  /** The next to be tried; undefined if none waits or every connection is taken. */
  take() {
    if (this.active >= this.#most) return undefined;
    const next = this.waiting.shift();
    if (next) this.active++;
    return next;
  }
}
