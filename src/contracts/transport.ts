import type { Socket } from "node:net";
import type { Checkpoint, DialedAddress, FailureCode, Phase, Receipt } from "../domain/delivery.ts";
import type { ConnectionSettings } from "../domain/smtp-server.ts";

/** One mail to one recipient, as finished bytes. */
export interface Delivery {
  readonly server: ConnectionSettings;
  /** Connections are shared by deliveries of the same key. Null: an unsaved definition, no connection is kept. */
  readonly poolKey: string | null;
  /** Reverse-path without angle brackets. */
  readonly from: string;
  /** Forward-path without angle brackets. */
  readonly recipient: string;
  /** The whole message, CRLF line ends, ending in CRLF; sent as it is (dot-stuffing aside). */
  readonly bytes: Uint8Array;
}

export interface SendOptions {
  readonly signal: AbortSignal;
  /**
   * How long to wait for the reply to the end of the body, in milliseconds, whatever bounds the rest (RFC 5321
   * 4.5.3.2.6 asks for ten minutes: to give up early makes duplicates); default: the server's `timeoutMs`.
   */
  readonly finalReplyTimeoutMs?: number | undefined;
  /** Asked right before MAIL is written; `false` ends the attempt as `cancelled`. Default: `true`. */
  readonly mayTransact?: (() => boolean) | undefined;
  /** Checks the server up to this point and sends nothing: no byte of the message leaves, no connection is kept. */
  readonly until?: Checkpoint | undefined;
}

/** Carries finished bytes to one SMTP server; one recipient, one transaction. Safe to call in parallel. */
export interface Transport extends AsyncDisposable {
  readonly name: string;
  /**
   * Set by a transport that keeps to `maxConnections` of a server itself: a delivery beyond them waits in it for the
   * next connection, and leaves sooner than if it were given to it then.
   */
  readonly boundsConnections?: true;
  /**
   * Sends one mail. What the server or the network does is in the receipt.
   * @throws {TypeError} for an address or bytes that SMTP cannot carry (CR, LF or NUL where it may not be).
   * @throws the signal's reason if it is aborted before the first byte of the body; from then on the promise
   * resolves, with `unknown` if the end of the body was written.
   */
  send(delivery: Delivery, options: SendOptions): Promise<Receipt>;
  /** Closes idle connections at once and busy ones when their mail ends. Later sends fail. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface ConnectOptions {
  readonly signal: AbortSignal;
  readonly onPhase?: (phase: Phase) => void;
  /** Addresses that are not dialed, because they did not serve this delivery. */
  readonly skip?: ReadonlySet<string>;
  /** Called for each address dialed, as far as the platform shows them; `left` counts those that could come next. */
  readonly onDialed?: (dialed: DialedAddress, left: number) => void;
}

/** Opens one socket by name; the runtime's entry decides how. TLS, if asked for, is established when it resolves. */
export type Connect<S = Socket> = (
  target: { readonly host: string; readonly port: number; readonly tls: boolean },
  options: ConnectOptions,
) => Promise<S>;

/** Thrown by a {@link Connect} that could not give a socket. */
export class ConnectError extends Error {
  override readonly name = "ConnectError";
  readonly phase: Phase;
  readonly code: FailureCode;
  /** Whether the same target may answer later. */
  readonly retryable: boolean;

  constructor(phase: Phase, code: FailureCode, retryable: boolean, options?: ErrorOptions) {
    super(`No connection: ${code} in phase ${phase}`, options);
    this.phase = phase;
    this.code = code;
    this.retryable = retryable;
  }
}
