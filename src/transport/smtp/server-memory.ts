import { BoundedCache } from "../../domain/bounded-cache.ts";
import type { Endpoint } from "../../domain/smtp-server.ts";

/** Facts about one server, learned from its connections. Times are on the clock of the transport. */
export interface ServerMemory {
  /** How long a connection may stay idle. */
  idleMs: number;
  /** BDAT is not used before this time. */
  noBdatUntilMs: number;
  /** No message is prepared with the end of the previous one before this time. */
  noPreparingUntilMs: number;
  /** Whether the server accepted a message by BDAT. */
  acceptsBdat: boolean;
  /** Whether the server replied to RSET with 250. */
  acceptsReset: boolean;
  /** Facts from the connection that is being closed after the latest rejection: the reply to its RSET is still due. */
  leaving: { readonly acceptsReset: boolean } | null;
  usedAtMs: number;
}

/** How long the facts are kept without use. */
const FORGET_MS = 3_600_000;
const MAX_SERVERS = 1_000;

/** Keeps a {@link ServerMemory} for each host and port. */
export class ServerMemories {
  readonly #servers = new BoundedCache<ServerMemory>(MAX_SERVERS);
  readonly #idleMs: number;
  readonly #nowMs: () => number;

  /** @param idleMs how long a connection may stay idle at first. */
  constructor(idleMs: number, nowMs: () => number) {
    this.#idleMs = idleMs;
    this.#nowMs = nowMs;
  }

  of({ host, port }: Pick<Endpoint, "host" | "port">): ServerMemory {
    const key = `${host} ${port}`;
    const nowMs = this.#nowMs();
    const known = this.#servers.get(key);
    if (known !== undefined && nowMs - known.usedAtMs < FORGET_MS) {
      known.usedAtMs = nowMs;
      return known;
    }
    const memory: ServerMemory = {
      idleMs: this.#idleMs,
      noBdatUntilMs: Number.NEGATIVE_INFINITY,
      noPreparingUntilMs: Number.NEGATIVE_INFINITY,
      acceptsBdat: false,
      acceptsReset: false,
      leaving: null,
      usedAtMs: nowMs,
    };
    this.#servers.set(key, memory);
    return memory;
  }
}
