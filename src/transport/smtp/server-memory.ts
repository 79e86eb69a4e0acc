import { BoundedCache } from "../../domain/bounded-cache.ts";
import type { Endpoint } from "../../domain/smtp-server.ts";

/** What earlier connections taught about one mail server. Times are on the clock of `performance.now()`. */
export interface ServerMemory {
  /** How long a connection may wait for the next message. */
  idleMs: number;
  /** Until then BDAT is not used. */
  noBdatUntilMs: number;
  /** Until then no message is prepared along with the end of the one before. */
  noPreparingUntilMs: number;
  /** Whether the server accepted a message by BDAT, and answered RSET with 250. */
  acceptsBdat: boolean;
  acceptsReset: boolean;
  /** What the connection learned that was closed after the last rejection: it gets the reply to RSET as it is left. */
  leaving: { readonly acceptsReset: boolean } | null;
  usedAtMs: number;
}

/** After an hour without use nothing that was learned counts. */
const FORGET_MS = 3_600_000;
const MAX_SERVERS = 1_000;

/** Keeps a {@link ServerMemory} for each host and port. */
export class ServerMemories {
  readonly #servers = new BoundedCache<ServerMemory>(MAX_SERVERS);
  readonly #idleMs: number;
  readonly #nowMs: () => number;

  /** @param idleMs how long a connection waits until the server teaches otherwise. */
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
      ...{ idleMs: this.#idleMs },
      ...{ noBdatUntilMs: Number.NEGATIVE_INFINITY, noPreparingUntilMs: Number.NEGATIVE_INFINITY },
      ...{ acceptsBdat: false, acceptsReset: false, leaving: null, usedAtMs: nowMs },
    };
    this.#servers.set(key, memory);
    return memory;
  }
}
