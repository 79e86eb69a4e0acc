import type { Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";
import SMTPConnection from "nodemailer/lib/smtp-connection";
import type { SmtpReply, TlsPeer } from "../domain/delivery.ts";
import type { OpenServer } from "../domain/smtp-server.ts";
import type { Attempt } from "./attempt.ts";
import { type Capabilities, chooseMechanism } from "./capabilities.ts";
import { DeliveryError } from "./delivery-error.ts";
import { type MailSession, QUIT_MS, type Transaction } from "./mail-session.ts";
import { Monitor } from "./monitor.ts";
import { redactor } from "./redact.ts";
import { failureCodeOf, tlsFailure } from "./socket-errors.ts";

export interface SessionOptions {
  readonly server: OpenServer;
  readonly ehloName: string;
  readonly tlsOptions: ConnectionOptions;
  readonly readTlsPeer: (socket: Socket) => TlsPeer;
  /** The runtime says that STARTTLS is done before it is, and not why it failed: `tls_failed` in all cases. */
  readonly hidesTlsErrors: boolean;
}

/** nodemailer's timers see idleness only; {@link Attempt}'s rule, so its own are set out of the way. */
const NEVER_MS = 2 ** 31 - 1;

/**
 * One SMTP session: nodemailer speaks, a {@link Monitor} reads along and has the last word. The promises reject
 * with a {@link DeliveryError}, or with the reason for which the attempt was stopped.
 */
export class Session implements MailSession {
  readonly #options: SessionOptions;
  readonly #connection: SMTPConnection;
  readonly #monitor: Monitor;
  #sockets: readonly Socket[];
  #reject: (reason: unknown) => void = () => undefined;
  #isReady = false;
  #hasSpokenTls = false;
  #ended: { readonly reason: unknown } | null = null;
  #onEnd: () => void = () => undefined;

  /** Null without TLS. */
  tls: TlsPeer | null = null;
  /** Mails given to this session. */
  mails = 0;

  /** Takes over a connected socket; with security `implicit`, TLS is already established on it. */
  constructor(socket: Socket, options: SessionOptions) {
    const { server } = options;
    this.#options = options;
    this.#sockets = [socket];
    this.#monitor = new Monitor({
      wantsStartTls: server.security === "starttls",
      redact: redactor(server.username, server.password.reveal()),
      rejectionContext: () => ({ isTls: this.tls !== null, hasLogin: server.username !== "" }),
      hangUp: (reason) => this.#end(reason),
    });
    if (server.security === "implicit") this.tls = options.readTlsPeer(socket);
    this.#connection = new SMTPConnection({
      connection: socket,
      secure: server.security === "implicit",
      secured: server.security === "implicit",
      requireTLS: server.security === "starttls",
      ignoreTLS: server.security === "none",
      host: server.host,
      name: options.ehloName,
      tls: options.tlsOptions,
      logger: this.#logger(),
      transactionLog: true,
      connectionTimeout: NEVER_MS,
      greetingTimeout: NEVER_MS,
      socketTimeout: NEVER_MS,
      socketCloseTimeout: 0,
    });
    this.#connection.on("error", (error: unknown) => this.#onError(error));
    this.#connection.on("end", () => this.#onClosed());
  }

  get capabilities(): Capabilities {
    return this.#monitor.capabilities;
  }

  /** Whether another mail may go through: it was opened, nothing was refused, nothing is due, nobody has hung up. */
  get isUsable(): boolean {
    const isOpen = this.#sockets.every((socket) => !socket.destroyed && socket.writable);
    return (
      isOpen && this.#isReady && this.#ended === null && !this.#connection.destroyed && this.#monitor.isClean
    );
  }

  /** Greeting, EHLO and, if asked for, STARTTLS and EHLO again; AUTH if there is a username. */
  async open(attempt: Attempt): Promise<void> {
    attempt.enter("greeting");
    await this.#run(attempt, (done) => this.#connection.connect(done));
    if (this.#options.server.username !== "") await this.#authenticate(attempt);
    this.#isReady = true;
  }

  /** One transaction. @returns the server's final reply. */
  async send(mail: Transaction, attempt: Attempt): Promise<SmtpReply> {
    const { from, recipient: to, bytes, eightBit: use8BitMime } = mail;
    this.mails++;
    attempt.enter("sender");
    const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    await this.#run(attempt, (done) =>
      this.#connection.send({ from, to, size: bytes.length, use8BitMime }, body, done),
    );
    const reply = this.#monitor.lastReply;
    if (reply === null) throw attempt.failure("protocol");
    return reply;
  }

  /** Waits for the next mail without keeping the process alive; `onEnd` is called if the session ends meanwhile. */
  rest(onEnd: () => void): void {
    this.#onEnd = onEnd;
    for (const socket of this.#sockets) socket.unref();
  }

  wake(): void {
    this.#onEnd = () => undefined;
    for (const socket of this.#sockets) socket.ref();
  }

  /** Takes leave (RFC 5321 4.1.1.10), for a second at most. Never rejects. */
  quit(): Promise<void> {
    this.#monitor.stop();
    if (this.#ended !== null || this.#connection.destroyed) {
      this.#end(null);
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#end(null), QUIT_MS);
      this.#onEnd = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#connection.quit();
    });
  }

  /** RFC 4954. An empty password, which nodemailer cannot send, counts as a wrong one. */
  async #authenticate(attempt: Attempt): Promise<void> {
    const { username, password } = this.#options.server;
    const method = chooseMechanism(this.capabilities, this.tls !== null);
    attempt.enter("auth");
    if (method === null) throw attempt.failure("auth_not_offered");
    if (password.isEmpty) throw attempt.failure("auth_rejected");
    await this.#run(attempt, (done) =>
      this.#connection.login({ method, user: username, pass: password.reveal() }, done),
    );
  }

  /** Runs one of nodemailer's calls. It may never call back, so whatever else ends the session ends the wait. */
  async #run(attempt: Attempt, begin: (done: (error?: unknown) => void) => void): Promise<void> {
    const stop = (): void => this.#end(attempt.signal.reason);
    this.#monitor.begin(attempt);
    attempt.signal.addEventListener("abort", stop);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#reject = reject;
        if (attempt.signal.aborted) stop();
        if (this.#ended === null) begin((error) => (error ? this.#onError(error) : resolve()));
        else reject(this.#ended.reason ?? attempt.failure("closed"));
      });
    } finally {
      attempt.signal.removeEventListener("abort", stop);
      this.#monitor.attempt = null;
    }
  }

  #onError(error: unknown): void {
    const { attempt, refusal } = this.#monitor;
    // After a refused command there is still time to take leave.
    if (attempt !== null && refusal !== null) this.#reject(refusal);
    else this.#end(attempt === null ? null : this.#failureOf(error, attempt));
  }

  #failureOf(error: unknown, attempt: Attempt): DeliveryError {
    if (this.#isTlsHidden) return attempt.failure("tls_failed", null, "certificate");
    // nodemailer's own code for a connection that the server closed.
    if (codeOf(error) === "ECONNECTION") return attempt.failure("closed");
    if (!this.#isUpgrading) return attempt.failure(failureCodeOf(error));
    const { phase, code } = tlsFailure(error, "starttls");
    return attempt.failure(code, null, phase);
  }

  #onClosed(): void {
    const { attempt } = this.#monitor;
    const failure =
      attempt && (this.#isTlsHidden ? this.#failureOf(null, attempt) : attempt.failure("closed"));
    // Its callback, with the reason, may follow.
    setImmediate(() => this.#end(failure));
  }

  /** Hangs up at once. What the server refused before says more than how the session ended. */
  #end(reason: unknown): void {
    if (this.#ended !== null) return;
    this.#ended = { reason: reason instanceof DeliveryError ? (this.#monitor.refusal ?? reason) : reason };
    this.#monitor.stop();
    this.#connection.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#reject(this.#ended.reason);
    this.#onEnd();
  }

  get #isUpgrading(): boolean {
    return this.#monitor.hasAgreedTls && this.tls === null;
  }

  /** Whether what ends the session now is taken for a failed handshake: the server has not spoken through TLS yet. */
  get #isTlsHidden(): boolean {
    return this.#options.hidesTlsErrors && this.#monitor.hasAgreedTls && !this.#hasSpokenTls;
  }

  /** nodemailer's transaction log tells what is about to be sent; replies we read ourselves. */
  #logger(): Record<"trace" | "debug" | "info" | "warn" | "error" | "fatal", (...args: unknown[]) => void> {
    const log = (entry: unknown, line: unknown): void => this.#onLog(entry, line);
    return { trace: log, debug: log, info: log, warn: log, error: log, fatal: log };
  }

  #onLog(entry: unknown, line: unknown): void {
    if (this.#ended !== null || typeof entry !== "object" || entry === null || !("tnx" in entry)) return;
    if (entry.tnx === "network") this.#readAlong(this.#sockets[0]);
    if (entry.tnx === "message") this.#monitor.sentBody();
    if (entry.tnx !== "client") return;
    if (this.#isUpgrading) this.#adoptTls();
    // nodemailer's idle timer, which is of no use here; workerd would add a listener for it at each read and write.
    this.#sockets.at(-1)?.setTimeout(0);
    this.#monitor.sentLine(String(line));
  }

  /** The first command after STARTTLS's handshake goes through another socket. */
  #adoptTls(): void {
    const socket = this.#connection._socket;
    if (!socket) return;
    this.#sockets = [...this.#sockets, socket];
    this.tls = this.#options.readTlsPeer(socket);
    this.#readAlong(socket);
  }

  /** Comes before nodemailer's own listener, which is added after the log line that leads here. */
  #readAlong(socket: Socket | undefined): void {
    if (socket === undefined || socket.listeners("data").includes(this.#onData)) return;
    socket.prependListener("data", this.#onData);
    socket.once("end", () => this.#onClosed());
  }

  readonly #onData = (chunk: Buffer | string): void => {
    this.#hasSpokenTls = this.tls !== null;
    this.#monitor.receive(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
    if (this.#isUpgrading) this.#sockets[0]?.removeListener("data", this.#onData);
  };
}

function codeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null ? Reflect.get(error, "code") : null;
}
