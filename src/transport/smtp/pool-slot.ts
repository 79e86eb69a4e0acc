import type { NextMessage, SmtpConnection } from "./connection.ts";
import type { DeliveryTimer } from "./delivery-timer.ts";

/** Facts about one server, learned from its connections. Times are on the clock of the transport. */
export interface ServerMemory {
  /** Maximum idle time of a connection. */
  idleMs: number;
  /** BDAT is not used before this time. */
  noBdatUntilMs: number;
  /** Until this time, the next message is not prepared together with the end of the previous one. */
  noPreparingUntilMs: number;
  /** Whether the server has accepted a message that was prepared, and has dropped none since. */
  keepsPrepared: boolean;
  /** Whether the server accepted a message by BDAT. */
  acceptsBdat: boolean;
  /** Whether the server replied to RSET with 250. */
  acceptsReset: boolean;
  /** Facts from the connection that is being closed after the latest rejection: the reply to its RSET is still due. */
  leaving: { readonly acceptsReset: boolean } | null;
  usedAtMs: number;
}

/**
 * Period for which a server gets DATA after it rejected BDAT, was lost after it, or sent replies that match no command: with
 * DATA, the 354 shows when they are shifted.
 */
const NO_BDAT_MS = 3_600_000;

export function avoidBdat(memory: ServerMemory, nowMs: number): void {
  memory.noBdatUntilMs = nowMs + NO_BDAT_MS;
}

/** Period for which no message is prepared for a server that dropped prepared commands. */
const NO_PREPARING_MS = 3_600_000;

export function avoidPreparing(memory: ServerMemory, nowMs: number): void {
  memory.noPreparingUntilMs = nowMs + NO_PREPARING_MS;
  memory.keepsPrepared = false;
}

/** The right to one connection of a key, held while a message is being sent. */
export interface PoolSlot {
  /** An idle connection to use. `null`: open one. */
  readonly idle: SmtpConnection | null;
  /** Whether the key has other connections: open, about to be, or being closed after they have sent messages. */
  readonly hasOthers: boolean;
  /**
   * Releases the slot because the server does not take its connection. For half a minute, the key gets no more
   * connections than it has without this one.
   */
  yield(connection: SmtpConnection | null): void;
  /** Returns the message that waits for the connection and gets it with its release. `null` if none does. */
  next(connection: SmtpConnection): NextMessage | null;
  /** Closes a connection of this slot, before it opens another. Never rejects. */
  close(connection: SmtpConnection): Promise<void>;
  /** Releases the slot, once. The connection, if it is usable, stays open for the next message. */
  release(connection: SmtpConnection | null): void;
}

export interface AcquireOptions {
  /** Ends the wait for a connection. */
  readonly timer: DeliveryTimer;
  /** The result of {@link PoolSlot.next} while this delivery waits. `null` if it must not start. */
  readonly message: () => NextMessage | null;
  /** Maximum number of connections of the key. Default: the pool's. */
  readonly connections?: number | undefined;
  readonly memory: ServerMemory;
  /** Whether this delivery is a check. It takes an idle connection only to close it, if it may not open one more. */
  readonly isCheck: boolean;
  /** Whether this delivery goes before the others, because it has yielded a slot. */
  readonly isFirst?: boolean;
}
