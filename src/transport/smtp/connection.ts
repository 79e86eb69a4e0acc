import type { Socket } from "node:net";
import tls, { type ConnectionOptions } from "node:tls";
import {
  type ChainCertificate,
  notSent,
  type Phase,
  type ServerReport,
  type TlsPeer,
} from "../../domain/delivery.ts";
import type { ConnectionSettings } from "../../domain/smtp-server.ts";
import { Conversation } from "../../smtp/conversation.ts";
import type { Turn } from "../../smtp/pipeline.ts";
import { presentText } from "../../smtp/replies.ts";
import type { Result } from "../../smtp/task.ts";
import type { MessageTransfer, TransactionOptions } from "../../smtp/transaction.ts";
import { redactor } from "../redact.ts";
import { failureCodeOf, tlsFailure } from "../socket-errors.ts";
import type { NextMessage, OpenOptions } from "./delivery-connection.ts";
import { DeliveryTimeout, type DeliveryTimer } from "./delivery-timer.ts";

export interface SmtpConnectionOptions {
  readonly server: ConnectionSettings;
  readonly ehloName: string;
  readonly tlsOptions: ConnectionOptions;
  readonly readTls: (socket: Socket) => {
    readonly peer: TlsPeer;
    readonly chain: readonly ChainCertificate[] | null;
  };
  /** Elapsed time, in milliseconds. */
  readonly nowMs: () => number;
  /** The runtime reports STARTTLS as done before it is, and not why it failed: `tls_failed` in all cases. */
  readonly hidesTlsErrors: boolean;
}

/** Time for the reply to QUIT; nothing but politeness depends on it. */
const QUIT_MS = 1000;

interface Waiter {
  readonly timer: DeliveryTimer;
  readonly resolve: (result: Result) => void;
  readonly reject: (reason: unknown) => void;
  readonly next: () => NextMessage | null;
}

const NO_NEXT = (): null => null;

/** One SMTP connection: a socket, and the {@link Conversation} that decides what goes over it. */
export class SmtpConnection {
  readonly #options: SmtpConnectionOptions;
  readonly #conversation: Conversation;
  /** The plain socket first, then the one that holds TLS. */
  readonly #sockets: Socket[];
  readonly #redact: (text: string) => string;
  #waiter: Waiter | null = null;
  #onEnd: () => void = () => undefined;
  #isEnded = false;
  #hasSpokenTls = false;
  #chain: readonly ChainCertificate[] | null = null;
  #handshakes = 0;
  #seen: ServerReport | null = null;

  /** Null without TLS. */
  tls: TlsPeer | null = null;
  /** Messages given to this connection. */
  messages = 0;
  /** When the server sent something last, on the clock of the options. */
  lastReplyMs: number;

  /** Takes over a connected socket; with security `implicit`, TLS is already established on it. */
  constructor(socket: Socket, options: SmtpConnectionOptions) {
    const { server, ehloName } = options;
    const { username } = server;
    const password = server.password.reveal();
    this.#options = options;
    this.lastReplyMs = options.nowMs();
    this.#redact = redactor(username, password);
    this.#conversation = new Conversation({
      ehloName,
      security: server.security,
      login: username === "" ? null : { username, password },
      authMechanism: server.authMechanism ?? "auto",
      redact: this.#redact,
    });
    this.#sockets = [socket];
    if (server.security === "implicit") this.#adoptTls(socket);
    this.#listen(socket);
  }

  /** Whether another message may go through. */
  get isUsable(): boolean {
    return this.#conversation.isReady && this.#isOpen;
  }

  /** Whether the message that was prepared may go through. */
  get isPrepared(): boolean {
    return this.#conversation.isPrepared && this.#isOpen;
  }

  get #isOpen(): boolean {
    if (this.#isEnded) return false;
    for (const socket of this.#sockets) {
      if (socket.destroyed || !socket.writable || socket.readableEnded) return false;
    }
    return true;
  }

  /** Waits for a reply on this connection so far, and one for the handshake of TLS. */
  get roundTrips(): number {
    return this.#conversation.roundTrips + this.#handshakes;
  }

  get learned() {
    return this.#conversation.session.learned;
  }

  /** What the opening showed; later messages of the connection show nothing new. */
  get seen(): ServerReport {
    if (this.#seen !== null && this.#conversation.result !== null) return this.#seen;
    this.#seen = this.#report();
    return this.#seen;
  }

  #report(): ServerReport {
    const { greeting, listed, extensions } = this.#conversation.session;
    const linesOf = (lines: readonly string[]) => lines.map((line) => presentText(line, this.#redact));
    return {
      greeting,
      extensions: { clear: linesOf(listed.clear.lines), tls: linesOf(listed.tls.lines) },
      mechanisms: linesOf(extensions.mechanisms),
      sizeOctets: extensions.sizeOctets,
      chain: this.#chain,
      addresses: null,
    };
  }

  /** Goes up to the login, or to a checkpoint before it. @throws the reason for which the timer stopped, if it is the caller's. */
  async open(timer: DeliveryTimer, { until, greetingMs }: OpenOptions): Promise<Result> {
    const onSilence = (): void => {
      if (this.#conversation.session.greeting === null) this.#lose("timeout");
    };
    const silence = greetingMs === null ? undefined : setTimeout(onSilence, greetingMs);
    try {
      return await this.#run(timer, () => this.#conversation.open(until));
    } finally {
      clearTimeout(silence);
    }
  }

  /** Sends one message. @throws the reason for which the timer stopped, if it is the caller's. */
  transact(
    message: MessageTransfer,
    options: TransactionOptions,
    timer: DeliveryTimer,
    next: () => NextMessage | null = NO_NEXT,
  ): Promise<Result> {
    this.messages++;
    timer.enter("sender");
    return this.#run(timer, () => this.#conversation.transact(message, options), next);
  }

  /** Asks for MAIL and, with a recipient, RCPT; sends nothing. */
  checkAddresses(from: string, recipient: string | null, timer: DeliveryTimer): Promise<Result> {
    timer.enter("sender");
    return this.#run(timer, () => this.#conversation.checkAddresses(from, recipient));
  }

  /** Waits for the next message without keeping the process alive; `onEnd` is called if the connection ends meanwhile. */
  park(onEnd: () => void): void {
    this.#onEnd = onEnd;
    for (const socket of this.#sockets) socket.unref();
  }

  resume(): void {
    this.#onEnd = () => undefined;
    for (const socket of this.#sockets) socket.ref();
  }

  /** Ends the connection with QUIT, within a second. Never rejects. */
  quit(): Promise<void> {
    if (this.#isEnded || !this.#conversation.mayQuit) {
      this.#end();
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#end(), QUIT_MS);
      this.#onEnd = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#write(this.#conversation.quit());
    });
  }

  /** Closes the sockets at once. */
  hangUp(): void {
    this.#lose("closed");
  }

  #run(timer: DeliveryTimer, start: () => Turn, next: () => NextMessage | null = NO_NEXT): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      let forget = (): void => undefined;
      const end = (): void => {
        this.#waiter = null;
        forget();
      };
      this.#waiter = {
        timer,
        next,
        resolve(result) {
          end();
          resolve(result);
        },
        reject(reason) {
          end();
          reject(reason);
        },
      };
      forget = timer.onStop((reason) => {
        if (reason instanceof DeliveryTimeout) this.#lose("timeout");
        else this.#cancel(reason);
      });
      if (this.#waiter === null) return;
      if (this.#isEnded || !this.#mayStart()) this.#failStart();
      else this.#apply(start());
    });
  }

  /** A new connection may be opened; one that was opened has to be in order. */
  #mayStart(): boolean {
    return this.#conversation.result === null || this.isUsable || this.isPrepared;
  }

  /** Between two pieces of work the connection ended or the server sent what was not due. */
  #failStart(): void {
    const phase = this.messages === 0 ? "greeting" : "sender";
    const code = this.#conversation.mustHangUp && !this.#isEnded ? "protocol" : "closed";
    this.#end({ successful: false, failure: notSent(phase, code) });
  }

  #apply(turn: Turn): void {
    const waiter = this.#waiter;
    if (this.#conversation.isEndWritten) waiter?.timer.endMessage();
    else if (this.#conversation.isMessageStarted) waiter?.timer.startMessage();
    for (const phase of turn.phases) waiter?.timer.enter(phase);
    this.#write(turn);
    const { result, mustHangUp } = this.#conversation;
    if (turn.wait.for === "tls") this.#startTls();
    else if (turn.wait.for === "nothing" && mustHangUp) this.#end(result);
    else if (turn.wait.for === "nothing" && result !== null) waiter?.resolve(result);
  }

  #write({ write, wait }: Turn): void {
    const socket = this.#sockets.at(-1);
    if (socket === undefined || write === null) return;
    if (wait.for === "drain") socket.write(write, () => this.#onDrained());
    else socket.write(this.#withNext(write));
  }

  /** Adds the commands of the message that waits for this connection, where they may leave in the same write. */
  #withNext(write: Uint8Array): Uint8Array {
    const next = this.#conversation.mayPrepare ? this.#waiter?.next() : null;
    const commands = next ? this.#conversation.prepare(next.message, next.options) : null;
    if (commands === null) return write;
    const both = Buffer.allocUnsafe(write.length + Buffer.byteLength(commands));
    both.set(write);
    both.write(commands, write.length);
    return both;
  }

  #onDrained(): void {
    if (!this.#isEnded && this.#waiter !== null) this.#apply(this.#conversation.drained());
  }

  #listen(socket: Socket): void {
    socket.on("data", this.#onData);
    socket.on("error", (error: unknown) => this.#onError(error));
    socket.on("end", () => this.#onClosed());
    socket.on("close", () => this.#onClosed());
  }

  readonly #onData = (chunk: Buffer | string): void => {
    if (this.#isEnded) return;
    this.lastReplyMs = this.#options.nowMs();
    this.#hasSpokenTls = this.tls !== null;
    const turn = this.#conversation.receive(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
    if (this.#waiter !== null) this.#apply(turn);
    else if (this.#conversation.mustHangUp) this.#end();
    else this.#write(turn);
  };

  /** Has to happen within the event that brought the 220: workerd cannot hand over its socket later. */
  #startTls(): void {
    const [plain] = this.#sockets;
    if (plain === undefined) return;
    plain.removeListener("data", this.#onData);
    const socket = tls.connect({ ...this.#options.tlsOptions, socket: plain });
    this.#sockets.push(socket);
    socket.once("secureConnect", () => {
      if (this.#isEnded) return;
      this.#adoptTls(socket);
      this.#listen(socket);
      this.#apply(this.#conversation.secured());
    });
    socket.once("error", (error: unknown) => this.#onError(error));
    socket.once("close", () => this.#onClosed());
  }

  #adoptTls(socket: Socket): void {
    const { peer, chain } = this.#options.readTls(socket);
    this.tls = peer;
    this.#chain = chain;
    if (this.#sockets.length > 1) this.#handshakes = 1;
  }

  #onError(error: unknown): void {
    if (this.#isUpgrading || this.#isTlsHidden) {
      const { phase, code } = this.#isTlsHidden
        ? ({ phase: "certificate", code: "tls_failed" } as const)
        : tlsFailure(error, "starttls");
      this.#lose(code, phase);
    } else this.#lose(failureCodeOf(error));
  }

  /** A reason may follow within the same tick. */
  #onClosed(): void {
    setImmediate(() => {
      if (this.#isTlsHidden) this.#lose("tls_failed", "certificate");
      else this.#lose("closed");
    });
  }

  get #isUpgrading(): boolean {
    return this.#sockets.length > 1 && this.tls === null;
  }

  /** Whether the connection may have ended by a failed handshake: the server has not spoken through TLS yet. */
  get #isTlsHidden(): boolean {
    return this.#options.hidesTlsErrors && this.#sockets.length > 1 && !this.#hasSpokenTls;
  }

  #lose(code: Parameters<Conversation["lost"]>[0], phase?: Phase): void {
    if (this.#isEnded) return;
    this.#conversation.lost(code, phase);
    this.#end(this.#conversation.result);
  }

  #cancel(reason: unknown): void {
    this.#waiter?.reject(reason);
    this.#end();
  }

  /** Hangs up at once. */
  #end(result: Result | null = null): void {
    const waiter = this.#waiter;
    if (result !== null) waiter?.resolve(result);
    if (this.#isEnded) return;
    this.#isEnded = true;
    for (const socket of this.#sockets) socket.destroy();
    this.#onEnd();
  }
}
