import type { Connect, Delivery } from "../../contracts/transport.ts";
import {
  type Checkpoint,
  type DialedAddress,
  type Failure,
  NOTHING_SEEN,
  notSent,
  type ServerReport,
  type TlsPeer,
} from "../../domain/delivery.ts";
import type { ConnectionSettings } from "../../domain/smtp-server.ts";
import type { Result } from "../../smtp/task.ts";
import type { MessageTransfer, TransactionOptions } from "../../smtp/transaction.ts";
import type { DeliveryConnection, NextMessage } from "./delivery-connection.ts";
import { DeliveryTimeout, type DeliveryTimer } from "./delivery-timer.ts";
import { dial } from "./dial.ts";
import type { Pool } from "./pool.ts";
import type { PoolSlot } from "./pool-slot.ts";
import type { ServerMemories, ServerMemory } from "./server-memory.ts";

export interface DeliveryRunDeps<S, C extends DeliveryConnection> {
  readonly pool: Pool<C, NextMessage>;
  readonly memories: ServerMemories;
  readonly connect: Connect<S>;
  readonly createConnection: (socket: S, server: ConnectionSettings) => C;
  readonly discard: (socket: S) => void;
  readonly nowMs: () => number;
}

/** BDAT in one flight is for a connection whose last reply is younger than this: it is still open then. */
const RECENT_MS = 10_000;
/** How long a server that rejected BDAT, or was lost after it, gets DATA. */
const NO_BDAT_MS = 3_600_000;
/** How long a server that dropped prepared commands gets none. */
const NO_PREPARING_MS = 3_600_000;
/** Replies to the rest of a command line, or to a command without the ones before it. */
const DROPPED_REPLIES: readonly number[] = [500, 501, 502, 503];
/** From the next message on, some relays reject MAIL by another code than 421 until there is a new connection. */
const MANY_MESSAGES = 100;
/** The least time for a greeting while other addresses are left. */
const MIN_GREETING_MS = 2_000;
/** RFC 5321 3.8 and, at AUTH, 4.3.2 "system not accepting network messages", as Microsoft 365 uses it. */
const LIMIT_REPLIES: readonly number[] = [421, 432];

type Opened<C> = { readonly failure: null; readonly connection: C } | { readonly failure: Failure };

/** One delivery on its way: which connections it uses, and what it saw of the server. */
export class DeliveryRun<S, C extends DeliveryConnection> {
  readonly #deps: DeliveryRunDeps<S, C>;
  readonly #delivery: Delivery;
  readonly #timer: DeliveryTimer;
  readonly #mayTransact: () => boolean;
  readonly #memory: ServerMemory;
  #addresses: readonly DialedAddress[] | null = null;

  /** Waits for a reply, and one each for TCP and TLS, on all connections of this delivery. */
  roundTrips = 0;
  /** Of the connection used last. */
  tls: TlsPeer | null = null;
  seen: ServerReport = NOTHING_SEEN;

  /** @param mayTransact asked right before MAIL is written. */
  constructor(
    deps: DeliveryRunDeps<S, C>,
    delivery: Delivery,
    timer: DeliveryTimer,
    mayTransact: () => boolean = () => true,
  ) {
    this.#mayTransact = mayTransact;
    this.#deps = deps;
    this.#delivery = delivery;
    this.#timer = timer;
    this.#memory = deps.memories.of(delivery.server);
  }

  /** Sends the message. @throws the caller's reason to stop. */
  async deliver(message: MessageTransfer): Promise<Result> {
    for (let isFirst = false; ; isFirst = true) {
      const slot = await this.#acquire(message, isFirst);
      if (slot === null) return failed(notSent(this.#timer.phase, "timeout"));
      const result = await this.#deliverThrough(slot, message);
      // Without a result there was no room at the server: the message waits for a connection that works.
      if (result !== null) return result;
      this.#timer.restart();
    }
  }

  /** Goes up to the checkpoint through a connection of its own, and sends nothing. @throws the caller's reason to stop. */
  async check(until: Checkpoint): Promise<Result> {
    const opened = await this.#open(null, until);
    if (opened.failure !== null) return failed(opened.failure);
    const { connection } = opened;
    try {
      if (until !== "sender" && until !== "recipient") return { successful: true, reply: null };
      const { from, recipient } = this.#delivery;
      return await connection.checkAddresses(from, until === "recipient" ? recipient : null, this.#timer);
    } finally {
      this.#observe(connection, 0);
      // No one waits for the goodbye of a check.
      void connection.quit();
    }
  }

  /** @returns null if the time ended before there was a connection for it. */
  async #acquire(transfer: MessageTransfer, isFirst: boolean): Promise<PoolSlot<C, NextMessage> | null> {
    const { poolKey, server } = this.#delivery;
    const options = { timer: this.#timer, connections: server.maxConnections, memory: this.#memory, isFirst };
    const message = () =>
      this.#mayTransact() ? { message: transfer, options: this.#transactionOptions(false) } : null;
    try {
      return await this.#deps.pool.acquire(poolKey, { ...options, message });
    } catch (error) {
      if (error instanceof DeliveryTimeout) return null;
      throw error;
    }
  }

  async #deliverThrough(slot: PoolSlot<C, NextMessage>, message: MessageTransfer): Promise<Result | null> {
    let connection: C | null = slot.idle;
    try {
      if (connection !== null) {
        const wasPrepared = connection.isPrepared;
        const result = await this.#transact(slot, connection, message);
        const isLost = wasPrepared && this.#mustNotPrepare(result);
        if (!isLost && !isStale(result, connection) && !this.#mustAvoidBdat(result, connection))
          return result;
        void connection.quit();
        connection = null;
        this.#timer.restart();
      }
      for (;;) {
        const opened = await this.#open(slot);
        if (opened.failure !== null) {
          if (!isServerLimit(opened.failure) || !slot.hasOthers) return failed(opened.failure);
          slot.yield();
          return null;
        }
        connection = opened.connection;
        const result = await this.#transact(slot, connection, message);
        if (!this.#mustAvoidBdat(result, connection)) return result;
        void connection.quit();
        connection = null;
        this.#timer.restart();
      }
    } finally {
      slot.release(connection);
    }
  }

  #transactionOptions(mayUseBdat: boolean): TransactionOptions {
    const { acceptsBdat, acceptsReset } = this.#memory;
    const pipelining = this.#delivery.server.pipelining ?? "auto";
    return { pipelining, mayUseBdat, survivesRejection: acceptsBdat && acceptsReset };
  }

  async #transact(slot: PoolSlot<C, NextMessage>, connection: C, message: MessageTransfer): Promise<Result> {
    if (!this.#mayTransact()) return failed(notSent("sender", "cancelled"));
    const before = connection.roundTrips;
    const memory = this.#memory;
    const nowMs = this.#deps.nowMs();
    const mayUseBdat = nowMs - connection.lastReplyMs < RECENT_MS && nowMs >= memory.noBdatUntilMs;
    memory.acceptsReset ||= memory.leaving?.acceptsReset === true;
    const options = this.#transactionOptions(mayUseBdat);
    try {
      const next = () => (nowMs < memory.noPreparingUntilMs ? null : slot.next(connection));
      return await connection.transact(message, options, this.#timer, next);
    } finally {
      this.#observe(connection, connection.messages > 1 ? before : 0);
      memory.acceptsBdat ||= connection.learned.acceptsBdat;
      memory.acceptsReset ||= connection.learned.acceptsReset;
      if (!connection.isUsable) memory.leaving = connection.learned;
    }
  }

  /**
   * Learns that a server drops what follows the end of a message in the same segment, which RFC 2920 3.2 forbids.
   * @returns whether the prepared message may go once more: its commands did not arrive, or not whole.
   */
  #mustNotPrepare(result: Result): boolean {
    if (result.successful || result.failure.phase !== "sender") return false;
    const { reply, code } = result.failure;
    if (code === "cancelled" || (reply !== null && !DROPPED_REPLIES.includes(reply.code))) return false;
    this.#memory.noPreparingUntilMs = this.#deps.nowMs() + NO_PREPARING_MS;
    return true;
  }

  /** Learns whether the server can do BDAT. @returns whether the message may go by DATA: nothing of it was accepted. */
  #mustAvoidBdat(result: Result, { learned }: C): boolean {
    if (learned.rejectsBdat || learned.losesBdat)
      this.#memory.noBdatUntilMs = this.#deps.nowMs() + NO_BDAT_MS;
    return learned.rejectsBdat && !result.successful && result.failure.outcome === "not-sent";
  }

  /** Opens a connection; an address that greets with 421 or not at all gives way to the next one (RFC 5321 5.1). */
  async #open(slot: PoolSlot<C, NextMessage> | null, until?: Checkpoint): Promise<Opened<C>> {
    const { server } = this.#delivery;
    const { connect, discard, createConnection } = this.#deps;
    const skip = new Set<string>();
    for (;;) {
      const dialed = await dial(connect, server, this.#timer, { skip, discard });
      this.#addresses = [...(this.#addresses ?? []), ...(dialed.addresses ?? [])];
      this.seen = { ...this.seen, addresses: dialed.addresses === null ? null : this.#addresses };
      if (dialed.failure !== null) return { failure: dialed.failure };
      this.roundTrips += server.security === "implicit" ? 2 : 1;
      const connection = createConnection(dialed.socket, server);
      const mayMoveOn = dialed.left > 0 && dialed.address !== null && !slot?.hasOthers;
      const shareMs = Math.max(MIN_GREETING_MS, server.timeoutMs / (dialed.left + 1));
      const greetingMs = mayMoveOn && shareMs < server.timeoutMs ? shareMs : null;
      const result = await connection.open(this.#timer, { until, greetingMs });
      if (result.successful) return { failure: null, connection };
      this.#observe(connection, 0);
      void connection.quit();
      if (!mayMoveOn || !isGreetingFailure(result.failure)) {
        return { failure: result.failure };
      }
      skip.add(dialed.address ?? "");
      this.#timer.restart();
    }
  }

  #observe(connection: C, roundTripsBefore: number): void {
    this.roundTrips += connection.roundTrips - roundTripsBefore;
    this.tls = connection.tls;
    const { addresses } = this.seen;
    this.seen = addresses === null ? connection.seen : { ...connection.seen, addresses };
  }
}

function failed(failure: Failure): Result {
  return { successful: false, failure };
}

/**
 * Whether the server closed the idle connection at MAIL, or has had enough of one that carried many messages. Nothing was
 * accepted, so sending on a new one is safe.
 */
function isStale(result: Result, { messages }: DeliveryConnection): boolean {
  if (result.successful || result.failure.outcome === "unknown" || result.failure.phase !== "sender")
    return false;
  const { code, reply, retryable } = result.failure;
  return code === "closed" || reply?.code === 421 || (retryable && messages > MANY_MESSAGES);
}

/** Whether the server takes no further connection now: nothing was sent on this one. */
function isServerLimit({ phase, reply }: Failure): boolean {
  const isBeforeMail = phase === "greeting" || phase === "ehlo" || phase === "auth";
  return isBeforeMail && reply !== null && LIMIT_REPLIES.includes(reply.code);
}

function isGreetingFailure({ phase, code, reply }: Failure): boolean {
  return phase === "greeting" && (code === "timeout" || code === "closed" || reply?.code === 421);
}
