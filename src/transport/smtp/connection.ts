import type { Socket } from "node:net";
import {
  type Checkpoint,
  type FailureCode,
  notSent,
  type Phase,
  type ServerReport,
  type TlsPeer,
} from "../../domain/delivery.ts";
import { presentText, redactor, tokenRedactor } from "../../domain/redact.ts";
import type { Secret } from "../../domain/secret.ts";
import type { ConnectionSettings } from "../../domain/smtp-server.ts";
import { Conversation } from "../../smtp/conversation.ts";
import type { Turn } from "../../smtp/pipeline.ts";
import { parseExtensions } from "../../smtp/replies.ts";
import type { Login } from "../../smtp/sasl.ts";
import type { Result, Session } from "../../smtp/task.ts";
import type { MessageTransfer, TransactionOptions } from "../../smtp/transaction.ts";
import { DeliveryTimeout, type DeliveryTimer } from "./delivery-timer.ts";
import { SocketIo, type SocketIoOptions } from "./socket-io.ts";

export interface SmtpConnectionOptions extends SocketIoOptions {
  readonly server: ConnectionSettings;
  /** Token of a definition that logs in with one; `null` if none is needed. */
  readonly accessToken: Secret | null;
  readonly ehloName: string;
  /** Elapsed time, in milliseconds. */
  readonly nowMs: () => number;
}

interface OpenOptions {
  /** Stops at this checkpoint. Default: after the login. */
  readonly until?: Checkpoint | undefined;
  /** Maximum wait for the greeting, in milliseconds, if another address can be dialed. `null`: the timer's bound. */
  readonly greetingMs: number | null;
}

/** The message that waits for a connection. */
export interface NextMessage {
  readonly message: MessageTransfer;
  readonly options: TransactionOptions;
}

interface Waiter {
  readonly timer: DeliveryTimer;
  readonly resolve: (result: Result) => void;
  readonly reject: (reason: unknown) => void;
  readonly next: () => NextMessage | null;
}

/** Maximum wait for the reply to QUIT, on which no outcome depends. */
const QUIT_MS = 1000;

/**
 * Share of the timeout in which the server has to reply to a prepared MAIL, until it is known to keep prepared commands. One
 * that drops what follows a message never does (RFC 2920 3.2 forbids it), and the rest is for a new connection.
 */
const PREPARED_SHARE = 0.5;

const noNext = (): null => null;

interface PipelineOptions {
  /** Called when the end of the message is written: the commands of the next one may leave with it. */
  readonly next: () => NextMessage | null;
  /** Whether the server may have dropped this message, if it was prepared: it has to reply in a part of the timeout. */
  readonly mayBeDropped: boolean;
}

/** One SMTP connection: a socket, and the {@link Conversation} that decides what goes over it. */
export class SmtpConnection {
  readonly #options: SmtpConnectionOptions;
  readonly #conversation: Conversation;
  readonly #io: SocketIo;
  readonly #redact: (text: string) => string;
  #waiter: Waiter | null = null;
  #onEnd: () => void = () => undefined;
  #seen: ServerReport | null = null;
  #quitting: Promise<void> | null = null;

  /** Messages given to this connection. */
  messages = 0;
  /** Time of the server's latest bytes, on the clock of the options. */
  lastReplyMs: number;

  /** Takes over a connected socket. With security `implicit`, TLS is already established on it. */
  constructor(socket: Socket, options: SmtpConnectionOptions) {
    const { server, ehloName, accessToken } = options;
    const { security, username } = server;
    const login = loginOf(server, accessToken);
    this.#options = options;
    this.lastReplyMs = options.nowMs();
    this.#redact =
      login?.kind === "oauth2"
        ? tokenRedactor(username, login.secret)
        : redactor(username, server.password.reveal());
    this.#conversation = new Conversation({ ehloName, security, login, redact: this.#redact });
    this.#io = new SocketIo(socket, security === "implicit", options, {
      onData: (chunk) => this.#onData(chunk),
      onSecured: () => this.#apply(this.#conversation.secured()),
      onLost: (code, phase) => this.#lose(code, phase),
    });
  }

  /** Whether another message may be sent. */
  get isUsable(): boolean {
    return this.#conversation.isReady && this.#io.isOpen;
  }

  /** Whether the prepared message may be sent, and no other. */
  get isPrepared(): boolean {
    return this.#conversation.isPrepared && this.#io.isOpen;
  }

  /** Whether the socket is closed on this side. */
  get isClosed(): boolean {
    return this.#io.isDestroyed;
  }

  /** Number of times this connection has waited for a reply so far. The handshake of STARTTLS counts as one. */
  get roundTrips(): number {
    return this.#conversation.roundTrips + this.#io.handshakes;
  }

  get learned(): Session["learned"] {
    return this.#conversation.session.learned;
  }

  /** `null` without TLS. */
  get tls(): TlsPeer | null {
    return this.#io.tls;
  }

  /** The server as the opening showed it. Later messages of the connection add nothing. */
  get seen(): ServerReport {
    if (this.#seen !== null && this.#conversation.result !== null) return this.#seen;
    this.#seen = this.#report();
    return this.#seen;
  }

  #report(): ServerReport {
    const { greeting, isTls, listed, extensions } = this.#conversation.session;
    const linesOf = (lines: readonly string[]) => {
      const shown = lines.map((line) => presentText(line, this.#redact)).join("\n");
      // A server may break a secret into lines.
      return lines.length === 0 ? [] : this.#redact(shown).split("\n");
    };
    const [clear, tls] = [linesOf(listed.clear.lines), linesOf(listed.tls.lines)];
    return {
      greeting,
      extensions: { clear, tls },
      // Read from the lines that are shown: upper case would hide a secret in base64 from the redaction.
      mechanisms: parseExtensions(["", ...(isTls ? tls : clear)]).mechanisms,
      sizeOctets: extensions.sizeOctets,
      chain: this.#io.chain,
      addresses: null,
    };
  }

  /**
   * Performs greeting, EHLO, TLS and AUTH as the definition asks for, or up to a checkpoint before them.
   * @throws the caller's reason if the timer stops for it.
   */
  open(timer: DeliveryTimer, { until, greetingMs }: OpenOptions): Promise<Result> {
    const opening = this.#run(timer, () => this.#conversation.open(until));
    return greetingMs === null ? opening : this.#bound(opening, "greeting", greetingMs);
  }

  /**
   * Sends one message.
   * @throws the caller's reason if the timer stops for it.
   */
  transact(
    message: MessageTransfer,
    options: TransactionOptions,
    timer: DeliveryTimer,
    { next, mayBeDropped }: PipelineOptions = { next: noNext, mayBeDropped: true },
  ): Promise<Result> {
    this.messages++;
    timer.enter("sender");
    const mustBound = mayBeDropped && this.isPrepared;
    const running = this.#run(timer, () => this.#conversation.transact(message, options), next);
    const replyMs = PREPARED_SHARE * this.#options.server.timeoutMs;
    return mustBound ? this.#bound(running, "sender", replyMs) : running;
  }

  /** Sends MAIL and, with a recipient, RCPT, but no message. */
  checkAddresses(from: string, recipient: string | null, timer: DeliveryTimer): Promise<Result> {
    timer.enter("sender");
    return this.#run(timer, () => this.#conversation.checkAddresses(from, recipient));
  }

  /** Waits for the next message without keeping the process alive. `onEnd` is called if the connection ends meanwhile. */
  park(onEnd: () => void): void {
    this.#onEnd = onEnd;
    this.#io.unref();
  }

  resume(): void {
    this.#onEnd = () => undefined;
    this.#io.ref();
  }

  /** Ends the connection with QUIT, within a second. Never rejects. A second call waits for the same end. */
  quit(): Promise<void> {
    this.#quitting ??= this.#quit();
    return this.#quitting;
  }

  #quit(): Promise<void> {
    if (this.#io.isDestroyed || !this.#conversation.mayQuit) {
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

  /** Gives up a task if its first phase lasts too long. Its timer goes on, and leaves time for another connection. */
  async #bound(running: Promise<Result>, first: Phase, maxMs: number): Promise<Result> {
    const isInFirst = (): boolean => this.#conversation.result === null && this.#conversation.phase === first;
    // Replies to prepared commands may have arrived already.
    if (!isInFirst()) return running;
    const silence = setTimeout(() => isInFirst() && this.#lose("timeout"), maxMs);
    try {
      return await running;
    } finally {
      clearTimeout(silence);
    }
  }

  #run(timer: DeliveryTimer, start: () => Turn, next: () => NextMessage | null = noNext): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      let forgetStop = (): void => undefined;
      let isStarted = false;
      const finish = (): void => {
        this.#waiter = null;
        forgetStop();
      };
      this.#waiter = {
        timer,
        next,
        resolve(result) {
          finish();
          resolve(result);
        },
        reject(reason) {
          finish();
          reject(reason);
        },
      };
      forgetStop = timer.onStop((reason) => {
        if (!(reason instanceof DeliveryTimeout)) this.#cancel(reason);
        else if (isStarted) this.#lose("timeout");
        // The conversation still has the result of the task before.
        else this.#failStart("timeout");
      });
      if (this.#waiter === null) return;
      isStarted = true;
      if (this.#io.isDestroyed) this.#failStart("closed");
      else if (!this.#mayStart()) this.#failStart(this.#conversation.mustHangUp ? "protocol" : "closed");
      else this.#apply(start());
    });
  }

  /** Whether the connection is new, or left in order by the task before. */
  #mayStart(): boolean {
    return this.#conversation.result === null || this.isUsable || this.isPrepared;
  }

  /** Before a task, the connection ended, the server sent a reply that was not due, or the time was over. */
  #failStart(code: FailureCode): void {
    const phase = this.messages === 0 ? "greeting" : "sender";
    this.#end({ successful: false, failure: notSent(phase, code) });
  }

  #apply(turn: Turn): void {
    const waiter = this.#waiter;
    if (this.#conversation.isEndWritten) waiter?.timer.endMessage();
    else if (this.#conversation.isMessageStarted) waiter?.timer.startPiece();
    for (const phase of turn.phases) waiter?.timer.enter(phase);
    this.#write(turn);
    const { result, mustHangUp } = this.#conversation;
    if (turn.wait.for === "tls") this.#io.startTls();
    else if (turn.wait.for === "nothing" && mustHangUp) this.#end(result);
    else if (turn.wait.for === "nothing" && result !== null) waiter?.resolve(result);
  }

  #write({ write, wait }: Turn): void {
    if (write === null) return;
    if (wait.for === "drain") this.#io.write(write, () => this.#onDrained());
    else this.#io.write(this.#withNext(write));
  }

  /** Adds the commands of the message that waits for this connection, if they may leave in the same write. */
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
    if (!this.#io.isDestroyed && this.#waiter !== null) this.#apply(this.#conversation.drained());
  }

  #onData(chunk: Uint8Array): void {
    this.lastReplyMs = this.#options.nowMs();
    const turn = this.#conversation.receive(chunk);
    if (this.#waiter !== null) this.#apply(turn);
    else if (this.#conversation.mustHangUp) this.#end();
    else this.#write(turn);
  }

  #lose(code: Parameters<Conversation["lost"]>[0], phase?: Parameters<Conversation["lost"]>[1]): void {
    if (this.#io.isDestroyed) return;
    this.#conversation.lost(code, phase);
    this.#end(this.#conversation.result);
  }

  #cancel(reason: unknown): void {
    this.#waiter?.reject(reason);
    this.#end();
  }

  #end(result: Result | null = null): void {
    if (result !== null) this.#waiter?.resolve(result);
    if (this.#io.isDestroyed) return;
    this.#io.destroy();
    this.#onEnd();
  }
}

/** Without a token, a definition that logs in with one gets no further than AUTH: its password is never sent. */
function loginOf(server: ConnectionSettings, accessToken: Secret | null): Login | null {
  const { username, password, host, port, tokens, authMechanism, oauthMechanism } = server;
  const target = { username, host, port };
  if (tokens) {
    const secret = accessToken?.reveal() ?? "";
    return { kind: "oauth2", ...target, secret, mechanism: oauthMechanism ?? "auto" };
  }
  if (username === "") return null;
  return { kind: "password", ...target, secret: password.reveal(), mechanism: authMechanism ?? "auto" };
}
