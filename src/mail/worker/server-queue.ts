import type { LeasedMail } from "./leased-mail.ts";

/** Of definitions that are not saved, or no longer there. */
const DEFAULT_CONNECTIONS = 5;
/** As many mails are held as the connections send in this time, so that none waits for a commit. */
const AHEAD_MS = 100;
const LEAST_PER_CONNECTION = 2;
const MOST_PER_CONNECTION = 40;
/** What is assumed of a server that is not known yet. */
const FIRST_GUESS_MS = 25;
/** A server that takes a message in less than this, on average, is fast. */
const FAST_MS = 1_000;
/** The weight of the latest mail in the average. */
const LATEST = 0.1;

/** The mails of one definition that a worker holds: as many are tried at a time as it has connections. */
export class ServerQueue {
  readonly queueName: string;
  connections: number | null = null;
  held = 0;
  active = 0;
  readonly waiting: { readonly mail: LeasedMail; readonly at: number }[] = [];
  readonly #waitsInTransport: boolean;
  #averageMs = FIRST_GUESS_MS;

  /** @param waitsInTransport whether the next message of each connection waits in the transport. */
  constructor(queueName: string, { waitsInTransport }: { readonly waitsInTransport: boolean }) {
    this.queueName = queueName;
    // Unsaved definitions share no connections.
    this.#waitsInTransport = waitsInTransport && queueName !== "";
  }

  get #most(): number {
    return this.connections ?? DEFAULT_CONNECTIONS;
  }

  /** Few of a slow server: the others are for workers that have nothing to do. */
  get #capacity(): number {
    const each = Math.round(AHEAD_MS / Math.max(1, this.#averageMs));
    return this.#most * Math.min(MOST_PER_CONNECTION, Math.max(LEAST_PER_CONNECTION, each));
  }

  /** How many more mails may be held. */
  get room(): number {
    return this.#capacity - this.held;
  }

  /** Whether it is time to claim: not for each mail that has ended, as a claim is a commit. */
  get wantsMore(): boolean {
    return this.room >= this.#capacity / 2;
  }

  /** A slow server gets no more than its connections take: who waits in the transport may run out of time there. */
  get #maxActive(): number {
    return this.#waitsInTransport && this.#averageMs < FAST_MS ? 2 * this.#most : this.#most;
  }

  /** The next to be tried; undefined if none waits or the connections have enough. */
  take() {
    if (this.active >= this.#maxActive) return undefined;
    const next = this.waiting.shift();
    if (next === undefined) return undefined;
    const waitsInTransport = this.active >= this.#most;
    this.active++;
    return { ...next, waitsInTransport };
  }

  /** A connection is free again. */
  finish(tookMs: number): void {
    this.active--;
    this.#averageMs += (tookMs - this.#averageMs) * LATEST;
  }
}
