import {
  type Checkpoint,
  type Failure,
  type FailureCode,
  notSent,
  type Phase,
  type SmtpReply,
  unknownOutcome,
} from "../domain/delivery.ts";
import { keepWords } from "../domain/known-reply.ts";
import { AddressCheck } from "./check.ts";
import { rejection } from "./failures.ts";
import { Opening, type OpeningOptions } from "./opening.ts";
import { Pipeline, type Turn, type Wait } from "./pipeline.ts";
import { presentReply, type RawReply, ReplyReader } from "./replies.ts";
import { serverDelayMs } from "./server-delay.ts";
import {
  type Afterwards,
  CLOSING_CHANNEL,
  createSession,
  isContradiction,
  isPositive,
  judge,
  type Port,
  phaseOf,
  Received,
  type Result,
  SERVICE_CLOSING,
  type Session,
  type Step,
  type Task,
} from "./task.ts";
import { type MessageTransfer, Transaction, type TransactionOptions } from "./transaction.ts";

/** Far above any honest reply that explains a rejection. Bounds the time that its patterns take. */
const MAX_READ_CHARACTERS = 8_000;

export interface ConversationOptions extends OpeningOptions {
  /** Removes credentials from the server's text before it is stored. */
  readonly redact: (text: string) => string;
}

/**
 * The client's side of one SMTP connection (RFC 5321), without socket, timer or clock. Given the server's bytes, it
 * returns what to write and what to wait for, and has the result of the task. A result is `not-sent` only if no
 * {@link Turn} held the end of the message. After that the server's reply is the result, or it is `unknown`.
 *
 * @example
 * ```ts
 * const conversation = new Conversation({ ehloName: "client.example.org", security: "none", login: null, … });
 * let turn = conversation.open();
 * // for each chunk of the server: turn = conversation.receive(chunk); socket.write(turn.write)
 * // until turn.wait.for === "nothing": conversation.result
 * ```
 */
export class Conversation {
  readonly #options: ConversationOptions;
  readonly #session: Session;
  readonly #port: Port;
  readonly #pipeline = new Pipeline();
  #reader = new ReplyReader();
  #task: Task | null = null;
  #result: Result | null = null;
  /** The result of a message if all replies until the one to QUIT accept, because there are more of them than commands. */
  #doubted: Result | null = null;
  /** Whether the doubt comes from a partial reply, which may turn out to be the 421 of a server that closes. */
  #mayBeClosing = false;
  /** The reply that accepted STARTTLS, until the handshake has succeeded. */
  #handshakeAfter: SmtpReply | null = null;
  #afterwards: Afterwards = "reuse";
  /** The next message, whose commands left with the end of the current one. */
  #next: { readonly message: MessageTransfer; readonly task: Transaction } | null = null;

  /** @param options with security `implicit`, TLS is already established. */
  constructor(options: ConversationOptions) {
    this.#options = options;
    this.#session = createSession(options.security === "implicit");
    this.#port = {
      session: this.#session,
      send: (step, line) => this.#pipeline.stage(step, `${line}\r\n`),
      write: (step, data) => this.#pipeline.stage(step, data),
      startTls: (accepted) => {
        this.#handshakeAfter = accepted;
      },
      rejection: (phase, raw) => this.#rejection(phase, raw),
      conclude: (result, afterwards) => {
        this.#result = result;
        this.#afterwards = afterwards;
      },
    };
  }

  get session(): Readonly<Session> {
    return this.#session;
  }

  /** Result of the task. `null` while it runs. */
  get result(): Result | null {
    return this.#result;
  }

  /** Waits for a reply so far. The greeting counts as one. */
  get roundTrips(): number {
    return this.#pipeline.roundTrips;
  }

  /** Whether a transaction may start: the last task left the connection reusable, and nothing has arrived since. */
  get isReady(): boolean {
    return this.#next === null && this.#isReusable;
  }

  /** Whether the prepared message may start: the server accepted the one before it. */
  get isPrepared(): boolean {
    return this.#next !== null && this.#isReusable && this.#result?.successful === true;
  }

  /** Whether the next message may be prepared: this turn writes the end of a pipelined one. */
  get mayPrepare(): boolean {
    const mayLead = this.#task instanceof Transaction && this.#task.mayLead;
    return mayLead && this.#pipeline.isEndWritten && this.#result === null && this.#next === null;
  }

  get #isReusable(): boolean {
    return this.#result !== null && this.#afterwards === "reuse" && this.#task !== null;
  }

  /** Whether to close the connection without QUIT, to which the server would not reply. */
  get mustHangUp(): boolean {
    return this.#afterwards === "hang-up";
  }

  /** Whether QUIT may be written. With a prepared message, the server may be waiting for its content. */
  get mayQuit(): boolean {
    return !this.mustHangUp && this.#next === null;
  }

  /** Whether bytes of the message were returned: stopping now would leave half a message at the server. */
  get isMessageStarted(): boolean {
    return this.#pipeline.isMessageStarted;
  }

  /** Whether the end of the message was returned: without a valid reply, the outcome is unknown. */
  get isEndWritten(): boolean {
    return this.#pipeline.isEndWritten;
  }

  /** The phase of the reply that is due, or the latest one. */
  get phase(): Phase {
    return this.#pipeline.phase;
  }

  /** Waits for the greeting and continues up to the login, or to a checkpoint before it. */
  open(until?: Checkpoint): Turn {
    this.#pipeline.expect("greeting");
    return this.#start(new Opening(this.#port, this.#options, until));
  }

  /**
   * Prepares the next message: MAIL, RCPT and DATA leave in one write with the end of the current message (RFC 2920
   * 3.1). The message itself follows only after {@link transact}, and only if the server accepted the one before it.
   * @returns the lines to write after the end, or `null` if the message cannot be prepared.
   */
  prepare(message: MessageTransfer, options: TransactionOptions): string | null {
    if (!this.mayPrepare) return null;
    const task = new Transaction(this.#port, message, { ...options, mayUseBdat: false });
    if (!task.mayFollow) return null;
    task.follow();
    this.#next = { message, task };
    return this.#pipeline.hold();
  }

  /** Sends one message. @throws {TypeError} unless {@link isReady}, or {@link isPrepared} for this message. */
  transact(message: MessageTransfer, options: TransactionOptions): Turn {
    if (this.isPrepared && this.#next?.message === message) return this.#startPrepared(this.#next.task);
    this.#assertReady();
    return this.#start(new Transaction(this.#port, message, options));
  }

  /** Sends MAIL and, with a recipient, RCPT. @throws {TypeError} unless {@link isReady}, or after a rejection. */
  checkAddresses(from: string, recipient: string | null): Turn {
    this.#assertReady();
    if (!this.#session.isReset) throw new TypeError("A check needs a connection without a transaction");
    return this.#start(new AddressCheck(this.#port, from, recipient));
  }

  receive(chunk: Uint8Array): Turn {
    if (this.#afterwards === "hang-up") return this.#turn();
    const wasConcluded = this.#result !== null;
    const { replies, isSmtp } = this.#reader.push(chunk);
    for (const raw of replies) this.#onReply(raw, wasConcluded);
    // A partial reply without a command is as wrong as a whole one.
    const isEarly = this.#reader.isPartial && this.#pipeline.isIdle && !this.#pipeline.isHeldReplyDue;
    if (!isSmtp || isEarly) {
      const mayBeClosing = isSmtp && this.#reader.mayBecome(SERVICE_CLOSING);
      if (this.#result !== null) {
        this.#onSurplus(null, wasConcluded, mayBeClosing);
        this.#mayBeClosing = mayBeClosing && this.#doubted !== null;
      }
      // RFC 3207 4: bytes after the 220 to STARTTLS make that reply invalid.
      const code = mayBeClosing && this.#handshakeAfter === null ? "closed" : "protocol";
      const isLost = this.#result === null && !(isSmtp && this.#doubted);
      if (isLost) this.lost(code, this.phase, this.#handshakeAfter);
    }
    return this.#turn();
  }

  /** The TLS handshake succeeded. */
  secured(): Turn {
    this.#handshakeAfter = null;
    this.#reader = new ReplyReader();
    this.#task?.onSecured?.();
    return this.#turn();
  }

  /** The socket has taken the bytes of the last turn. */
  drained(): Turn {
    this.#pipeline.isDraining = false;
    if (this.#result === null) this.#task?.onDrained?.();
    return this.#turn();
  }

  /** Ends the current task, if any, because the connection is lost, a deadline has passed or the handshake failed. */
  lost(code: FailureCode, phase: Phase = this.phase, reply: SmtpReply | null = null): void {
    this.#afterwards = "hang-up";
    this.#session.learned.endangersBdat ||= code === "protocol";
    if (this.#result !== null || this.#task === null) return;
    const failure = this.#task.onLost({ code, phase, reply, isEndWritten: this.isEndWritten });
    this.#result = { successful: false, failure };
  }

  /** Sends QUIT (RFC 5321 4.1.1.10), after RSET if the server holds the transaction of a check. */
  quit(): Turn {
    const { isReset, learned } = this.#session;
    // If the server accepts RSET, the next rejected BDAT need not close its connection.
    const asks = learned.acceptsBdat && !learned.acceptsReset;
    const mustReset = !isReset && (asks || this.#task instanceof AddressCheck);
    this.#task = null;
    if (mustReset) this.#port.send("rset", "RSET");
    if (!mustReset || asks) this.#port.send("quit", "QUIT");
    return this.#turn();
  }

  #assertReady(): void {
    if (!this.isReady) throw new TypeError("The conversation is not ready for a transaction");
  }

  #start(task: Task): Turn {
    this.#setTask(task);
    task.start();
    return this.#turn();
  }

  #setTask(task: Task): void {
    this.#task = task;
    this.#result = null;
    this.#pipeline.reset(task instanceof Opening ? "greeting" : "sender");
  }

  #startPrepared(task: Transaction): Turn {
    this.#next = null;
    this.#setTask(task);
    for (const raw of this.#pipeline.resume()) this.#onReply(raw, false);
    return this.#turn();
  }

  #onReply(raw: RawReply, wasConcluded: boolean): void {
    if (this.#task === null) this.#onQuitting(raw);
    else if (this.#result !== null && this.#pipeline.isHeldReplyDue) this.#pipeline.holdReply(raw);
    else if (this.#result !== null) this.#onSurplus(raw, wasConcluded);
    else if (this.#doubted !== null) this.#onDoubted(raw);
    else {
      const step = this.#pipeline.next();
      if (step === undefined) this.#onEarly(raw);
      else this.#onDue(step, raw, this.#task);
    }
  }

  #present(raw: RawReply): SmtpReply {
    return presentReply(raw, this.#options.redact);
  }

  /** The reason may be in the last line, and its words those of a username or password, so the whole text is read. */
  #rejection(phase: Phase, raw: RawReply): Failure {
    const { security, login } = this.#options;
    const context = { isTls: security !== "none", hasLogin: login !== null };
    const whole = presentReply(raw, (text) => text, MAX_READ_CHARACTERS);
    const delayMs = serverDelayMs(whole);
    return {
      ...rejection(phase, whole, context),
      reply: keepWords(this.#present(raw), whole),
      ...(delayMs !== null && { retryAfterMs: delayMs }),
    };
  }

  #onDue(step: Step, raw: RawReply, task: Task): void {
    this.#pipeline.phase = phaseOf(step);
    const verdict = judge(step, raw.code);
    if (verdict === "unexpected") this.lost("protocol", this.phase, this.#present(raw));
    else {
      task.onReply(new Received(step, verdict, raw, this.#pipeline.isIdle, this.#options.redact));
      this.#pipeline.enterPhase();
    }
  }

  /** Handles a reply to RSET, which was sent with QUIT or before it. */
  #onQuitting({ code }: RawReply): void {
    const step = this.#pipeline.next();
    if (step === "quit") return;
    const isLost = step === undefined || code === SERVICE_CLOSING || judge(step, code) === "unexpected";
    if (isLost) this.#afterwards = "hang-up";
    else if (this.#pipeline.isIdle) this.#port.send("quit", "QUIT");
    this.#session.learned.acceptsReset ||= step === "rset" && code === 250;
  }

  /** Handles a reply that is not due. Some servers reject a message while it is still being written. */
  #onEarly(raw: RawReply): void {
    if (raw.code >= 400 && this.#pipeline.hasMessage && this.#task?.onEarlyRejection)
      this.#task.onEarlyRejection(raw);
    else this.lost(this.#surplusCode(raw), this.phase, this.#present(raw));
  }

  /** Handles more replies than commands: replies no longer match, and the latest one may not have matched either. */
  #onSurplus(raw: RawReply | null, wasConcluded: boolean, mayBeClosing = false): void {
    this.#afterwards = "hang-up";
    const isClosing = raw?.code === SERVICE_CLOSING;
    // A chunk border may cut the 421 of a server that closes.
    this.#session.learned.endangersBdat ||= !isClosing && !mayBeClosing;
    if (wasConcluded || this.#result === null || this.#doubted !== null) return;
    const reply = raw && this.#present(raw);
    if (this.isEndWritten && reply !== null && isContradiction(reply, this.#result)) {
      this.#result = { successful: false, failure: unknownOutcome("protocol", reply) };
    } else if (!this.isEndWritten && this.#result.successful) {
      this.#result = { successful: false, failure: notSent(this.phase, this.#surplusCode(raw), reply) };
    } else if (this.#result.successful && !isClosing && this.#isByBdat) this.#doubt(this.#result);
  }

  /** Lets QUIT find the last reply to the message: the 221 follows it (RFC 5321 4.1.1.10). */
  #doubt(result: Result): void {
    this.#doubted = result;
    this.#result = null;
    this.#afterwards = "quit";
    this.#port.send("quit", "QUIT");
  }

  /** Handles a reply to QUIT, or one before it, which may be the one to the message. */
  #onDoubted(raw: RawReply): void {
    const isClosing = this.#mayBeClosing && raw.code === SERVICE_CLOSING;
    this.#mayBeClosing = false;
    if (!isClosing && !isPositive(raw.code)) this.lost("protocol", this.phase, this.#present(raw));
    else if (isClosing || (raw.code === CLOSING_CHANNEL && !this.#pipeline.isIdle)) {
      this.#afterwards = "hang-up";
      this.#result = this.#doubted;
    }
  }

  get #isByBdat(): boolean {
    return this.#task instanceof Transaction && this.#task.isByBdat;
  }

  /** A server may close with 421 at any time (RFC 5321 3.8). Any other surplus reply breaks the protocol. */
  #surplusCode(raw: RawReply | null): FailureCode {
    return raw?.code === SERVICE_CLOSING ? this.#rejection(this.phase, raw).code : "protocol";
  }

  #turn(): Turn {
    if (this.#afterwards === "hang-up") this.#pipeline.unstage();
    const write = this.#pipeline.flush();
    this.#pipeline.enterPhase();
    return { write, wait: this.#wait(), phases: this.#pipeline.takePhases() };
  }

  #wait(): Wait {
    if (this.#task !== null && this.#result !== null) return { for: "nothing" };
    if (this.#handshakeAfter !== null) return { for: "tls" };
    if (this.#pipeline.isDraining) return { for: "drain" };
    return { for: "reply", phase: this.phase };
  }
}
