import type { Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";
import type { ChainCertificate, FailureCode, Phase, TlsPeer } from "../../domain/delivery.ts";
import { tlsFailure } from "../socket-errors.ts";
import { hasPeerCertificate, type SocketTls, startTls } from "../sockets.ts";

export interface SocketIoOptions {
  /** Options of STARTTLS. */
  readonly tlsOptions: ConnectionOptions;
  readonly readTls: (socket: Socket) => SocketTls;
  /** Whether the runtime reports STARTTLS as done too early, and not why it failed: then every failure is `tls_failed`. */
  readonly hidesTlsErrors: boolean;
}

/** Called until {@link SocketIo.destroy}. */
interface SocketHandlers {
  onData(chunk: Uint8Array): void;
  /** The TLS handshake succeeded. */
  onSecured(): void;
  onLost(code: FailureCode, phase?: Phase): void;
}

/** The bytes of one connection: a socket, and after STARTTLS the TLS socket over it. */
export class SocketIo {
  readonly #options: SocketIoOptions;
  readonly #handlers: SocketHandlers;
  /** The plain socket first, then the TLS socket over it. */
  readonly #sockets: Socket[];
  #isDestroyed = false;
  #hasReceivedTls = false;

  /** `null` without TLS. */
  tls: TlsPeer | null = null;
  chain: readonly ChainCertificate[] | null = null;
  /** Handshakes of STARTTLS. */
  handshakes = 0;

  /** @param isTls whether TLS is established on the socket. */
  constructor(socket: Socket, isTls: boolean, options: SocketIoOptions, handlers: SocketHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#sockets = [socket];
    if (isTls) this.#readTls(socket);
    this.#listen(socket);
  }

  get isDestroyed(): boolean {
    return this.#isDestroyed;
  }

  /** Whether both directions are open, as far as is known. */
  get isOpen(): boolean {
    if (this.#isDestroyed) return false;
    for (const socket of this.#sockets) {
      if (socket.destroyed || !socket.writable || socket.readableEnded) return false;
    }
    return true;
  }

  /** @param onWritten called when the socket has taken the bytes. */
  write(bytes: Uint8Array, onWritten?: () => void): void {
    // After a failed write, the error event ends the connection.
    const onDone = onWritten && ((error?: Error | null) => error || onWritten());
    this.#sockets.at(-1)?.write(bytes, onDone);
  }

  /** Starts TLS. Must be called in the event of the 220, because workerd cannot hand over its socket later. */
  startTls(): void {
    const [plain] = this.#sockets;
    if (plain === undefined) return;
    plain.removeListener("data", this.#onData);
    const socket = startTls(plain, this.#options.tlsOptions);
    if (socket === null) {
      this.#handlers.onLost("unsupported_here", "certificate");
      return;
    }
    this.#sockets.push(socket);
    socket.once("secureConnect", () => {
      if (this.#isDestroyed) return;
      this.#readTls(socket);
      this.handshakes = 1;
      this.#listen(socket);
      this.#handlers.onSecured();
    });
    socket.once("error", this.#onError);
    socket.once("close", this.#onClosed);
  }

  /** Lets the process end while the connection is idle. */
  unref(): void {
    for (const socket of this.#sockets) socket.unref();
  }

  ref(): void {
    for (const socket of this.#sockets) socket.ref();
  }

  destroy(): void {
    this.#isDestroyed = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  #listen(socket: Socket): void {
    socket.on("data", this.#onData);
    socket.on("error", this.#onError);
    socket.on("end", this.#onClosed);
    socket.on("close", this.#onClosed);
  }

  #readTls(socket: Socket): void {
    const { peer, chain } = this.#options.readTls(socket);
    this.tls = peer;
    this.chain = chain;
  }

  readonly #onData = (chunk: Buffer | string): void => {
    if (this.#isDestroyed) return;
    this.#hasReceivedTls = this.tls !== null;
    this.#handlers.onData(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
  };

  readonly #onError = (error: unknown): void => {
    if (this.#isDestroyed) return;
    if (this.#isHandshakeHidden) {
      this.#handlers.onLost("tls_failed", "certificate");
      return;
    }
    const socket = this.#sockets.at(-1);
    const isHandshaking = this.#sockets.length > 1 && this.tls === null;
    const { phase, code } = tlsFailure(error, isHandshaking ? "starttls" : undefined, {
      hasIdentity: this.#options.tlsOptions.cert !== undefined,
      hasPeer: socket !== undefined && hasPeerCertificate(socket),
    });
    this.#handlers.onLost(code, phase);
  };

  /** Waits for an error with the reason, which may follow within the same tick. */
  readonly #onClosed = (): void => {
    setImmediate(() => {
      if (this.#isDestroyed) return;
      if (this.#isHandshakeHidden) this.#handlers.onLost("tls_failed", "certificate");
      else this.#handlers.onLost("closed");
    });
  };

  /** Whether a failed handshake may have ended the connection: nothing has come through TLS yet. */
  get #isHandshakeHidden(): boolean {
    return this.#options.hidesTlsErrors && this.#sockets.length > 1 && !this.#hasReceivedTls;
  }
}
