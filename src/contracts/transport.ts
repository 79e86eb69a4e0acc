import type { Socket } from "node:net";
import type { Checkpoint, DialedAddress, FailureCode, Phase, Receipt } from "../domain/delivery.ts";
import type { ClientIdentity, ConnectionSettings } from "../domain/smtp-server.ts";

/** One message to one recipient, as its final bytes. */
export interface Delivery {
  readonly server: ConnectionSettings;
  /** Deliveries with the same key share connections. `null` for an unsaved definition, which keeps none. */
  readonly poolKey: string | null;
  /** Reverse-path without angle brackets. */
  readonly from: string;
  /** Forward-path without angle brackets. */
  readonly recipient: string;
  /** The whole message with CRLF line ends, ending in CRLF. Sent unchanged except for dot-stuffing. */
  readonly bytes: Uint8Array;
}

export interface SendOptions {
  readonly signal: AbortSignal;
  /**
   * Timeout for the reply to the end of the body in milliseconds, independent of other timeouts. RFC 5321 4.5.3.2.6
   * recommends ten minutes, because giving up early causes duplicates. Default: the server's `timeoutMs`.
   */
  readonly finalReplyTimeoutMs?: number | undefined;
  /** Called right before MAIL is written; `false` ends the attempt as `cancelled`. Default: `true`. */
  readonly mayTransact?: (() => boolean) | undefined;
  /** Called when the delivery has the right to a connection, before the server is contacted. Once for a check. */
  readonly onStarted?: (() => void) | undefined;
  /** Checks the server up to this point. Sends no byte of the message, and keeps no connection. */
  readonly until?: Exclude<Checkpoint, "oauth"> | undefined;
  /** Whether the receipt has the chain of a rejected certificate, which may take a second connection. Default: `false`. */
  readonly showsRejectedChain?: boolean | undefined;
}

/** Delivers the final bytes to one SMTP server, in one transaction per recipient. Safe to call in parallel. */
export interface Transport extends AsyncDisposable {
  readonly name: string;
  /**
   * Set by a transport that enforces `maxConnections` of a server itself. Further deliveries wait in it for the next
   * connection, which is faster than submitting them once a connection is free.
   */
  readonly boundsConnections?: true;
  /**
   * Sends one message. Failures of the server or the network are in the receipt.
   * @throws {TypeError} for an address or bytes that SMTP does not allow (CR, LF or NUL).
   * @throws the signal's reason if it is aborted before the first byte of the body. After that the promise resolves, with
   * `unknown` if the end of the body was written.
   */
  send(delivery: Delivery, options: SendOptions): Promise<Receipt>;
  /** Returns the number of connections in use or idle, by `poolKey`. Absent for a transport that keeps none. */
  readonly openConnections?: () => ReadonlyMap<string, number>;
  /** Closes idle connections immediately, and busy ones after their message. Later sends fail. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** One message to several recipients in one request. */
export interface JointDelivery extends Omit<Delivery, "recipient"> {
  readonly recipients: readonly string[];
}

/** A transport that can send to several recipients in one request, for an API that takes them from the message. */
export interface JointTransport extends Transport {
  /** Whether the recipients of a message share a request to this server, which lists them in the message's header. */
  sendsJointly(server: Pick<ConnectionSettings, "protocol">): boolean;
  /** Sends like `send`. The receipt is that of every recipient. */
  sendJointly(delivery: JointDelivery, options: SendOptions): Promise<Receipt>;
}

/** The IP addresses that can be dialed after one. Those that failed since the name was resolved are not among them. */
interface AddressesLeft {
  readonly count: number;
  /** Those that have not failed recently, so that they deserve a share of the time. */
  readonly promising: number;
}

interface ConnectOptions {
  readonly signal: AbortSignal;
  readonly onPhase?: ((phase: Phase) => void) | undefined;
  /** IP addresses to skip, because they failed for this delivery. */
  readonly skip?: ReadonlySet<string>;
  /** Called for each IP address dialed, if the platform shows it. */
  readonly onDialed?: ((dialed: DialedAddress, left: AddressesLeft) => void) | undefined;
}

/** The target of one socket. */
export interface ConnectTarget {
  readonly host: string;
  readonly port: number;
  /** Whether TLS starts with the first byte. */
  readonly tls: boolean;
  /** Shown in the handshake, now or after STARTTLS. Absent or `null`: no client certificate. */
  readonly identity?: ClientIdentity | null;
}

/** Opens one socket by host name, in the way of the runtime. Resolves after the TLS handshake, if TLS is requested. */
export interface Connect<S = Socket> {
  (target: ConnectTarget, options: ConnectOptions): Promise<S>;
  /** Notes that an IP address connected and did not serve, so that it is dialed last for a while. Absent if the platform dials. */
  readonly avoid?: (address: string, port: number) => void;
}

/** Thrown by a {@link Connect} that cannot open a socket. */
export class ConnectError extends Error {
  override readonly name = "ConnectError";
  readonly phase: Phase;
  readonly code: FailureCode;
  /** Whether the same target may accept connections later. */
  readonly retryable: boolean;

  constructor(phase: Phase, code: FailureCode, retryable: boolean, options?: ErrorOptions) {
    super(`No connection: ${code} in phase ${phase}`, options);
    this.phase = phase;
    this.code = code;
    this.retryable = retryable;
  }
}
