import type { Socket } from "node:net";
import { orAborted } from "../../async/abort.ts";
import type { Connect, Delivery, SendOptions } from "../../contracts/transport.ts";
import {
  type Checkpoint,
  type DialedAddress,
  type Failure,
  NOTHING_SEEN,
  noConnection,
  notSent,
  type ServerReport,
  type TlsPeer,
} from "../../domain/delivery.ts";
import type { Secret } from "../../domain/secret.ts";
import type { ConnectionSettings } from "../../domain/smtp-server.ts";
import type { Result } from "../../smtp/task.ts";
import type { MessageTransfer, TransactionOptions } from "../../smtp/transaction.ts";
import { getAccessToken } from "../access-token.ts";
import type { SmtpConnection } from "./connection.ts";
import { DeliveryTimeout, type DeliveryTimer } from "./delivery-timer.ts";
import { type Dialed, dial } from "./dial.ts";
import type { Pool } from "./pool.ts";
import { avoidBdat, avoidPreparing, type PoolSlot, type ServerMemory } from "./pool-slot.ts";
import { isConnectionLimit, isDrop, isServerLimit, isSpent, isUnserved, rejectsBdat } from "./reconnect.ts";

interface DeliveryRunDeps {
  readonly pool: Pool;
  readonly connect: Connect;
  /** Takes over a connected socket. The connection is not opened yet. */
  readonly createConnection: (
    socket: Socket,
    server: ConnectionSettings,
    accessToken: Secret | null,
  ) => SmtpConnection;
  readonly nowMs: () => number;
}

/** Maximum age of the latest reply for BDAT in one flight, because the connection has to be open still. */
const RECENT_MS = 10_000;

type Opened = { readonly failure: null; readonly connection: SmtpConnection } | { readonly failure: Failure };

/** The failure of one address. */
interface AddressFailure {
  readonly failure: Failure;
  /** How far the address got: 0 nowhere, 1 a TCP connection, 2 one that is ready for the greeting, 3 a reply. */
  readonly reached: number;
  /** `null`: there is nothing to close. */
  readonly connection: SmtpConnection | null;
}

type AddressOpened = Pick<Dialed, "address" | "hasNext"> &
  ({ readonly failure: null; readonly connection: SmtpConnection } | AddressFailure);

/** One delivery: the connections that it uses, and its observations of the server. */
export class DeliveryRun {
  readonly #deps: DeliveryRunDeps;
  readonly #delivery: Delivery;
  readonly #timer: DeliveryTimer;
  readonly #mayTransact: () => boolean;
  readonly #onStarted: SendOptions["onStarted"];
  readonly #memory: ServerMemory;
  #addresses: readonly DialedAddress[] | null = null;
  /** Whether the message has left a spent connection: it does so once, lest it opens one connection after another. */
  #hasReplaced = false;
  /** The latest temporary rejection that sent the message to another connection: its result if it gets none. */
  #rejected: Result | null = null;

  /** Waits for a reply, plus one each for TCP and TLS, on all connections of this delivery. */
  roundTrips = 0;
  /** TLS of the connection used last. */
  tls: TlsPeer | null = null;
  seen: ServerReport = NOTHING_SEEN;

  constructor(
    deps: DeliveryRunDeps,
    delivery: Delivery,
    timer: DeliveryTimer,
    { mayTransact = () => true, onStarted }: Pick<SendOptions, "mayTransact" | "onStarted">,
  ) {
    this.#mayTransact = mayTransact;
    this.#onStarted = onStarted;
    this.#deps = deps;
    this.#delivery = delivery;
    this.#timer = timer;
    this.#memory = deps.pool.memoryOf(delivery.server);
  }

  /** Sends the message. @throws the caller's reason if the timer stops for it. */
  async deliver(message: MessageTransfer): Promise<Result> {
    let slot = await this.#acquire(message);
    while (slot !== null) {
      const result = await this.#deliverThrough(slot, message);
      // Without a result, the server takes no further connection: the message waits for one of the others.
      if (result !== null) return result;
      slot = (await this.#restart()) ? await this.#acquire(message, true) : null;
    }
    return this.#rejected ?? failed(noConnection());
  }

  /** Goes up to the checkpoint on a connection of its own. @throws the caller's reason if the timer stops for it. */
  async check(until: Checkpoint): Promise<Result> {
    const slot = await this.#acquire(null);
    if (slot === null) return failed(noConnection());
    let connection: SmtpConnection | null = null;
    try {
      if (slot.idle !== null) await slot.close(slot.idle);
      const opened = await this.#open(slot, until);
      if (opened.failure !== null) return failed(opened.failure);
      connection = opened.connection;
      if (until !== "sender" && until !== "recipient") return { successful: true, reply: null };
      const { from, recipient } = this.#delivery;
      return await connection.checkAddresses(from, until === "recipient" ? recipient : null, this.#timer);
    } finally {
      if (connection !== null) {
        this.#observe(connection, 0);
        // The result of a check does not depend on QUIT.
        void slot.close(connection);
      }
      slot.release(null);
    }
  }

  /** @returns `null` if the delivery timed out before it got a slot. */
  async #acquire(transfer: MessageTransfer | null, isFirst = false): Promise<PoolSlot | null> {
    const { server, poolKey } = this.#delivery;
    const message = () =>
      transfer !== null && this.#mayTransact()
        ? { message: transfer, options: this.#transactionOptions(false) }
        : null;
    try {
      const slot = await this.#deps.pool.acquire(poolKey, {
        timer: this.#timer,
        message,
        connections: server.maxConnections,
        memory: this.#memory,
        isCheck: transfer === null,
        isFirst,
      });
      this.#onStarted?.();
      return slot;
    } catch (error) {
      if (error instanceof DeliveryTimeout) return null;
      throw error;
    }
  }

  async #deliverThrough(slot: PoolSlot, message: MessageTransfer): Promise<Result | null> {
    let connection: SmtpConnection | null = slot.idle;
    let isReplacing = false;
    try {
      for (;;) {
        const isKept = connection !== null;
        const wasPrepared = connection?.isPrepared === true;
        const opened = connection === null ? await this.#open(slot) : { failure: null, connection };
        if (opened.failure !== null) {
          const result = failed(opened.failure);
          if (!isServerLimit(opened.failure) || !slot.hasOthers)
            return opened.failure.reply === null ? (this.#rejected ?? result) : result;
          slot.yield(null);
          return null;
        }
        ({ connection } = opened);
        this.#hasReplaced ||= isReplacing;
        const result = await this.#transact(slot, connection, message);
        this.#learn(connection.learned);
        this.#memory.keepsPrepared ||= wasPrepared && result.successful;
        if (result.successful) return result;
        const { failure } = result;
        const isDropped = wasPrepared && isDrop(failure);
        if (isDropped) avoidPreparing(this.#memory, this.#deps.nowMs());
        isReplacing = isKept && !this.#hasReplaced && isSpent(failure, connection);
        const mustRepeat = isDropped || isReplacing || rejectsBdat(failure, connection);
        const mustYield = !mustRepeat && isServerLimit(failure) && slot.hasOthers;
        if (!mustRepeat && !mustYield) return result;
        if (failure.retryable && failure.reply !== null) this.#rejected = result;
        if (mustYield) {
          slot.yield(connection);
          return null;
        }
        const closed = slot.close(connection);
        connection = null;
        // A permanent rejection is of the session, or of BDAT, so it does not stand for the message.
        if (!(await this.#restart(closed))) return failure.retryable ? result : failed(noConnection());
      }
    } finally {
      slot.release(connection);
    }
  }

  /**
   * Restarts the timer for another connection, once the previous one is closed or the timer stops.
   * @returns `false` if the delivery has timed out. @throws the caller's reason if the timer stopped for it.
   */
  async #restart(closed: Promise<void> = Promise.resolve()): Promise<boolean> {
    await orAborted(closed, this.#timer.toSignal());
    if (this.#timer.stopped === null) this.#timer.restart();
    const { stopped } = this.#timer;
    if (stopped !== null && !(stopped.reason instanceof DeliveryTimeout)) throw stopped.reason;
    return stopped === null;
  }

  #transactionOptions(mayUseBdat: boolean): TransactionOptions {
    const { acceptsBdat, acceptsReset } = this.#memory;
    const pipelining = this.#delivery.server.pipelining ?? "auto";
    return { pipelining, mayUseBdat, survivesRejection: acceptsBdat && acceptsReset };
  }

  async #transact(slot: PoolSlot, connection: SmtpConnection, message: MessageTransfer): Promise<Result> {
    if (!this.#mayTransact()) return failed(notSent("sender", "cancelled"));
    const before = connection.roundTrips;
    const memory = this.#memory;
    const nowMs = this.#deps.nowMs();
    const mayUseBdat = nowMs - connection.lastReplyMs < RECENT_MS && nowMs >= memory.noBdatUntilMs;
    memory.acceptsReset ||= memory.leaving?.acceptsReset === true;
    const options = this.#transactionOptions(mayUseBdat);
    try {
      const next = () => (nowMs < memory.noPreparingUntilMs ? null : slot.next(connection));
      return await connection.transact(message, options, this.#timer, {
        next,
        mayBeDropped: !memory.keepsPrepared,
      });
    } finally {
      this.#observe(connection, connection.messages > 1 ? before : 0);
      memory.acceptsBdat ||= connection.learned.acceptsBdat;
      memory.acceptsReset ||= connection.learned.acceptsReset;
      if (!connection.isUsable) memory.leaving = connection.learned;
    }
  }

  /** Learns whether the server supports BDAT. */
  #learn({ rejectsBdat, endangersBdat }: SmtpConnection["learned"]): void {
    if (rejectsBdat || endangersBdat) avoidBdat(this.#memory, this.#deps.nowMs());
  }

  /**
   * Opens a connection. If the server takes no more, another key may have them: for a message, closes one that is idle, and
   * tries once more.
   */
  async #open(slot: PoolSlot, until?: Checkpoint): Promise<Opened> {
    const { server } = this.#delivery;
    // Before dialing, because a server would not wait for the token.
    const token =
      needsLogin(until) && server.tokens ? await getAccessToken(server.tokens, this.#timer) : null;
    if (token?.successful === false) return { failure: token.failure };
    const accessToken = token?.accessToken ?? null;
    const opened = await this.#openOnce(slot, accessToken, until);
    const isCheck = until !== undefined;
    if (opened.failure === null || isCheck || slot.hasOthers || !isConnectionLimit(opened.failure))
      return opened;
    const closed = this.#deps.pool.closeIdleTo(this.#memory);
    const mayRestart = closed !== null && (await this.#restart(closed));
    return mayRestart ? this.#openOnce(slot, accessToken) : opened;
  }

  /**
   * Opens a connection. If an address greets with 421 or does not serve at all, uses the next one (RFC 5321 5.1).
   * @returns the failure of the address that got furthest, if none serves.
   */
  async #openOnce(slot: PoolSlot, accessToken: Secret | null, until?: Checkpoint): Promise<Opened> {
    const { server } = this.#delivery;
    const skip = new Set<string>();
    this.#addresses = null;
    let furthest: AddressFailure | null = null;
    for (;;) {
      const [tls, seen] = [this.tls, this.seen];
      const opened = await this.#openAddress(skip, accessToken, until);
      if (opened.failure === null) return opened;
      const { address, hasNext, failure, reached, connection } = opened;
      const isLimit = until === undefined && failure.reply !== null && slot.hasOthers;
      const closed = connection === null ? Promise.resolve() : slot.close(connection);
      if (furthest === null || reached >= furthest.reached) furthest = opened;
      else {
        this.tls = tls;
        this.seen = { ...seen, addresses: this.seen.addresses };
      }
      if (address === null || isLimit || !isUnserved(failure)) break;
      this.#deps.connect.avoid?.(address, server.port);
      if (!hasNext || !(await this.#restart(closed))) break;
      skip.add(address);
    }
    return { failure: furthest.failure };
  }

  /** Opens a connection to the first address that connects. */
  async #openAddress(
    skip: Set<string>,
    accessToken: Secret | null,
    until: Checkpoint | undefined,
  ): Promise<AddressOpened> {
    const { server } = this.#delivery;
    const { connect, createConnection } = this.#deps;
    const { addresses, address, hasNext, shareMs, ...dialed } = await dial(
      connect,
      server,
      this.#timer,
      skip,
    );
    this.#addresses = [...(this.#addresses ?? []), ...(addresses ?? [])];
    this.seen = { ...this.seen, addresses: addresses === null ? null : this.#addresses };
    if (dialed.failure !== null) {
      const { failure } = dialed;
      if (address === null) return { address, hasNext, failure, reached: 0, connection: null };
      // TCP has connected, and the handshake of implicit TLS has failed.
      this.roundTrips++;
      return { address, hasNext, failure, reached: 1, connection: null };
    }
    this.roundTrips += server.security === "implicit" ? 2 : 1;
    const connection = createConnection(dialed.socket, server, accessToken);
    const result = await connection.open(this.#timer, { until, greetingMs: shareMs });
    if (result.successful) return { address, hasNext, failure: null, connection };
    this.#observe(connection, 0);
    const { failure } = result;
    const hasReplied = failure.phase !== "greeting" || failure.reply !== null;
    return { address, hasNext, failure, reached: hasReplied ? 3 : 2, connection };
  }

  #observe(connection: SmtpConnection, roundTripsBefore: number): void {
    this.roundTrips += connection.roundTrips - roundTripsBefore;
    this.tls = connection.tls;
    const { addresses } = this.seen;
    this.seen = addresses === null ? connection.seen : { ...connection.seen, addresses };
  }
}

function needsLogin(until: Checkpoint | undefined): boolean {
  return until !== "connect" && until !== "tls";
}

function failed(failure: Failure): Result {
  return { successful: false, failure };
}
