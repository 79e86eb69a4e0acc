import type { LeasedMail } from "./leased-mail.ts";

/** Bounds the memory that leased messages take, and how many may be sent without a record of their outcome. */
export const MAX_LEASED = 500;
/** Connections of a deleted definition. */
const DEFAULT_CONNECTIONS = 5;
/** Unsaved definitions share a queue, and one whose server does not respond must not delay the tests of others. */
const UNSAVED_CONNECTIONS = 100;
/** A worker leases as many messages as the connections send in this time, so that none waits for a commit. */
const AHEAD_MS = 100;
const MIN_PER_CONNECTION = 2;
const MAX_PER_CONNECTION = 80;
/**
 * Attempts for each connection if the transport bounds them: the message that is sent, the next one, whose commands leave
 * with its end, and one to become the next. A new attempt takes a tick to get there, because it reads its definition first.
 */
const ACTIVE_PER_CONNECTION = 3;
/**
 * The same if an attempt is recorded before it starts, as that of a code. Those that wait when the process dies count as
 * unknown, and are not sent again.
 */
const RECORDED_PER_CONNECTION = 2;
/** Assumed duration of an attempt before the first one. */
const INITIAL_AVERAGE_MS = 25;
/** A server whose attempts take less than this on average is fast. */
const FAST_MS = 1_000;
/** Weight of the latest attempt in the average. */
const LATEST_WEIGHT = 0.1;

/** One recipient of a leased message that waits for its attempt. */
interface Waiting {
  readonly mail: LeasedMail;
  /** Index of the recipient. */
  readonly index: number;
}

/** A recipient whose attempt starts. */
export interface Started extends Waiting {
  /** Whether the attempt waits in the transport for a connection. */
  readonly waitsInTransport: boolean;
}

/** The messages of one definition that a worker has leased. It runs as many attempts as the definition has connections. */
export class ServerQueue {
  readonly queueName: string;
  connections: number | null = null;
  /** Number of leased messages. */
  leased = 0;
  /** Those of them whose attempts are over, and whose outcome is being recorded. They keep no other message waiting. */
  readonly recording = new Set<LeasedMail>();
  readonly waiting: Waiting[] = [];
  readonly #waitsInTransport: boolean;
  readonly #max: number;
  #active = 0;
  #averageMs = INITIAL_AVERAGE_MS;

  /**
   * @param waitsInTransport whether the next messages of each connection wait in the transport.
   * @param max connections that are used, if the definition has more.
   */
  constructor(
    queueName: string,
    { waitsInTransport }: { readonly waitsInTransport: boolean },
    max: number = UNSAVED_CONNECTIONS,
  ) {
    this.queueName = queueName;
    this.#max = max;
    // Unsaved definitions share no connections.
    this.#waitsInTransport = waitsInTransport && queueName !== "";
  }

  get #maxConnections(): number {
    const connections = this.queueName === "" ? UNSAVED_CONNECTIONS : DEFAULT_CONNECTIONS;
    return Math.min(this.#max, this.connections ?? connections);
  }

  /** Few messages for a slow server, which leaves the others to idle workers. */
  get #capacity(): number {
    // An attempt that waits in the transport takes the time of those before it on its connection.
    const each = Math.round((AHEAD_MS * this.#perConnection) / Math.max(1, this.#averageMs));
    const all = this.#maxConnections * Math.min(MAX_PER_CONNECTION, Math.max(MIN_PER_CONNECTION, each));
    return Math.min(MAX_LEASED, all);
  }

  /** Number of messages that may still be leased. */
  get room(): number {
    return this.#capacity - this.leased + this.recording.size;
  }

  /** Whether to claim more. Not after every message, because a claim is a commit. */
  get wantsMore(): boolean {
    return this.room >= this.#capacity / 2;
  }

  /** Attempts for each connection. A slow server gets no message that must wait in the transport, where it might time out. */
  get #perConnection(): number {
    return this.#waitsInTransport && this.#averageMs < FAST_MS ? ACTIVE_PER_CONNECTION : 1;
  }

  #maxActiveFor({ row }: LeasedMail): number {
    const each = row.onUnknown === "stop" ? RECORDED_PER_CONNECTION : ACTIVE_PER_CONNECTION;
    return Math.min(each, this.#perConnection) * this.#maxConnections;
  }

  /** Returns the next recipient to attempt; `undefined` if none waits or the connections are busy. */
  next(): Started | undefined {
    const [next] = this.waiting;
    if (next === undefined || this.#active >= this.#maxActiveFor(next.mail)) return undefined;
    this.waiting.shift();
    const waitsInTransport = this.#active >= this.#maxConnections;
    this.#active++;
    return { ...next, waitsInTransport };
  }

  /** Records that an attempt has ended. */
  finish(durationMs: number): void {
    this.#active--;
    this.#averageMs += (durationMs - this.#averageMs) * LATEST_WEIGHT;
  }
}
