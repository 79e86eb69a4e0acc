import type { Checkpoint, ServerReport, TlsPeer } from "../../domain/delivery.ts";
import type { Result, Session } from "../../smtp/task.ts";
import type { MessageTransfer, TransactionOptions } from "../../smtp/transaction.ts";
import type { DeliveryTimer } from "./delivery-timer.ts";
import type { PooledConnection } from "./pool-slot.ts";

export interface OpenOptions {
  /** Goes no further than this checkpoint. */
  readonly until?: Checkpoint | undefined;
  /** Gives up after so many milliseconds without a greeting, because another address can be dialed; null: the timer's bound. */
  readonly greetingMs: number | null;
}

/** The message that waits for a connection. */
export interface NextMessage {
  readonly message: MessageTransfer;
  readonly options: TransactionOptions;
}

/** One SMTP connection, whoever writes its commands. The promises reject only with the caller's reason to stop. */
export interface DeliveryConnection extends PooledConnection {
  /** Null without TLS. */
  readonly tls: TlsPeer | null;
  readonly seen: ServerReport;
  readonly roundTrips: number;
  readonly learned: Session["learned"];
  /** When the server sent something last, on the clock of the transport. */
  readonly lastReplyMs: number;
  /** Greeting, EHLO, TLS and AUTH as the definition asks for, or up to a checkpoint before it. */
  open(timer: DeliveryTimer, options: OpenOptions): Promise<Result>;
  /** @param next called when the end of the message leaves: the commands of the next one may leave with it. */
  transact(
    message: MessageTransfer,
    options: TransactionOptions,
    timer: DeliveryTimer,
    next?: () => NextMessage | null,
  ): Promise<Result>;
  checkAddresses(from: string, recipient: string | null, timer: DeliveryTimer): Promise<Result>;
  /** Closes it at once. */
  hangUp(): void;
}
