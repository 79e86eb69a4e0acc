import type { Checkpoint, Failure, FailureCode, Phase, SmtpReply } from "../domain/delivery.ts";
import { notSent, unknownOutcome } from "../domain/delivery.ts";
import { AddressCheck } from "./check.ts";
import { DueReply } from "./due-reply.ts";
import { rejection } from "./failures.ts";
import { Opening, type OpeningOptions } from "./opening.ts";
import { presentReply, type RawReply, ReplyReader } from "./replies.ts";
import {
  type Afterwards,
  createSession,
  type Port,
  type Result,
  type Session,
  type Task,
} from "./session.ts";
import { judge, phaseOf, type Step } from "./steps.ts";
import { type MessageTransfer, Transaction, type TransactionOptions } from "./transaction.ts";
import { isOfMessage, joined, type Staged, type Turn, type Wait } from "./turn.ts";

export interface ConversationOptions extends OpeningOptions {
  /** Takes credentials out of texts of the server before anything keeps them. */
  readonly redact: (text: string) => string;
}

/** The next message, whose commands left along with the end of the one at hand. */
interface PreparedMessage {
  readonly message: MessageTransfer;
  readonly task: Transaction;
  readonly awaited: Step[];
  /** Replies that arrived before the message was started. */
  readonly replies: RawReply[];
}

const SERVICE_CLOSING = 421;

/**
 * The client's side of one SMTP connection (RFC 5321), without socket, timer or clock: given the server's bytes, it says
 * what to write, what to wait for, and what has become of the message. `not-sent` is said only while no byte of the end
 * of the message was returned in a {@link Turn}; from then on the result is the server's reply, or `unknown`.
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
  #reader = new ReplyReader();
  #task: Task | null = null;
  #result: Result | null = null;
  /** Steps that were written and not answered, in order (RFC 2920 3.1). */
  #awaited: Step[] = [];
  /** What the current turn writes. A reply that arrives before it was written cannot belong to it. */
  #staged: Staged[] = [];
  /** The step that was answered last. */
  #last: Step = "greeting";
  #phase: Phase = "greeting";
  #phases: Phase[] = [];
  #isEndWritten = false;
  #isMessageStarted = false;
  #isHandshaking = false;
  #isDraining = false;
  #afterwards: Afterwards = "reuse";
  #next: PreparedMessage | null = null;

  /** Waits for a reply so far; the greeting counts as one. */
  roundTrips = 0;

  /** @param options with security `implicit`, TLS is already established. */
  constructor(options: ConversationOptions) {
    this.#options = options;
    this.#session = createSession(options.security === "implicit");
    this.#port = {
      session: this.#session,
      send: (step, line) => this.#staged.push({ step, data: `${line}\r\n` }),
      write: (step, data) => this.#staged.push({ step, data }),
      startTls: () => {
        this.#isHandshaking = true;
      },
      rejection: (phase, reply) => this.#rejection(phase, reply),
      conclude: (result, afterwards) => {
        this.#result = result;
        this.#afterwards = afterwards;
      },
    };
  }

  get session(): Readonly<Session> {
    return this.#session;
  }

  /** Null while the work is under way. */
  get result(): Result | null {
    return this.#result;
  }

  /** Whether a transaction may start: the last piece of work left the connection in order, and nothing arrived since. */
  get isReady(): boolean {
    return this.#next === null && this.#isInOrder;
  }

  /** Whether the prepared message may be started: the one before it was accepted. */
  get isPrepared(): boolean {
    return this.#next !== null && this.#isInOrder && this.#result?.successful === true;
  }

  /** Whether the next message may be prepared: the end of one that left in a flight was just returned. */
  get mayPrepare(): boolean {
    const mayLead = this.#task instanceof Transaction && this.#task.mayLead;
    return mayLead && this.#isEndWritten && this.#result === null && this.#next === null;
  }

  get #isInOrder(): boolean {
    return this.#result !== null && this.#afterwards === "reuse" && this.#task !== null;
  }

  /** Whether the connection is to be closed at once, without QUIT, which the server would not heed. */
  get mustHangUp(): boolean {
    return this.#afterwards === "hang-up";
  }

  /** Whether QUIT may be written: where a message is prepared, the server may be waiting for its content. */
  get mayQuit(): boolean {
    return !this.mustHangUp && this.#next === null;
  }

  /** Whether bytes of the message were returned: stopping now would leave the server with half a message. */
  get isMessageStarted(): boolean {
    return this.#isMessageStarted;
  }

  /** Whether the end of the message was returned: without a valid reply the outcome is unknown. */
  get isEndWritten(): boolean {
    return this.#isEndWritten;
  }

  /** The phase of the reply that is due, or the last one. */
  get phase(): Phase {
    return this.#phase;
  }

  /** Waits for the greeting and goes up to the login, or to a checkpoint before it. */
  open(until?: Checkpoint): Turn {
    this.#awaited = ["greeting"];
    this.roundTrips++;
    return this.#begin(new Opening(this.#port, this.#options, until));
  }

  /**
   * Prepares the next message: MAIL, RCPT and DATA leave in one group with the end of the message at hand (RFC 2920 3.1),
   * in the same write. Nothing of the next message itself is written before {@link transact}, and `transact` starts it
   * only if the server accepted the one before it.
   * @returns the lines to write after the end; null: the message cannot be prepared.
   */
  prepare(message: MessageTransfer, options: TransactionOptions): string | null {
    if (!this.mayPrepare) return null;
    const task = new Transaction(this.#port, message, { ...options, mayUseBdat: false });
    if (!task.mayFollow) return null;
    task.follow();
    const staged = this.#staged;
    this.#staged = [];
    this.#next = { message, task, awaited: staged.flatMap(({ step }) => step ?? []), replies: [] };
    return staged.map(({ data }) => data).join("");
  }

  /** Sends one message. @throws {TypeError} unless {@link isReady}, or {@link isPrepared} for this message. */
  transact(message: MessageTransfer, options: TransactionOptions): Turn {
    if (this.isPrepared && this.#next?.message === message) return this.#startPrepared(this.#next);
    this.#assertReady();
    return this.#begin(new Transaction(this.#port, message, options));
  }

  /** Asks for MAIL and, with a recipient, RCPT. @throws {TypeError} unless {@link isReady}, or after a rejection. */
  checkAddresses(from: string, recipient: string | null): Turn {
    this.#assertReady();
    if (!this.#session.isReset) throw new TypeError("A check needs a connection without a transaction");
    return this.#begin(new AddressCheck(this.#port, from, recipient));
  }

  receive(chunk: Uint8Array): Turn {
    if (this.#afterwards === "hang-up") return this.#turn();
    const wasConcluded = this.#result !== null;
    const { replies, isSmtp } = this.#reader.push(chunk);
    for (const raw of replies) this.#onReply(raw, wasConcluded);
    // A reply that starts before its command was written is as wrong as a whole one.
    const isEarly = this.#reader.isPartial && this.#awaited.length === 0 && !this.#isNextDue;
    if (!isSmtp || isEarly) {
      if (this.#result === null) this.#onUnexpected(null);
      else this.#onSurplus(null, wasConcluded);
    }
    return this.#turn();
  }

  /** The TLS handshake has ended well. */
  secured(): Turn {
    this.#isHandshaking = false;
    this.#reader = new ReplyReader();
    this.#task?.onSecured?.();
    return this.#turn();
  }

  /** The socket has taken what was written. */
  drained(): Turn {
    this.#isDraining = false;
    if (this.#result === null) this.#task?.onDrained?.();
    return this.#turn();
  }

  /** The connection is lost, the time is over, or the handshake failed; a piece of work under way gets its result. */
  lost(code: FailureCode, phase: Phase = this.#phase): void {
    this.#end({ code, phase, reply: null });
  }

  /** Ends the connection politely (RFC 5321 4.1.1.10); RSET goes first where the server holds what a check asked for. */
  quit(): Turn {
    const { isReset, learned } = this.#session;
    // Whether the server resets decides whether the next rejected BDAT may leave a connection open.
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

  #begin(task: Task): Turn {
    this.#reset(task);
    task.start();
    return this.#turn();
  }

  #reset(task: Task): void {
    this.#task = task;
    this.#result = null;
    this.#isEndWritten = false;
    this.#isMessageStarted = false;
    this.#phase = task instanceof Opening ? "greeting" : "sender";
  }

  #startPrepared({ task, awaited, replies }: PreparedMessage): Turn {
    this.#next = null;
    this.#reset(task);
    this.#awaited = awaited;
    if (replies.length < awaited.length) this.roundTrips++;
    for (const raw of replies) this.#onReply(raw, false);
    return this.#turn();
  }

  /** Whether a reply to the prepared message is still due. */
  get #isNextDue(): boolean {
    return this.#next !== null && this.#next.replies.length < this.#next.awaited.length;
  }

  #onReply(raw: RawReply, wasConcluded: boolean): void {
    if (this.#task === null) this.#onLeaving(raw);
    else if (this.#result !== null && this.#isNextDue) this.#next?.replies.push(raw);
    else if (this.#result !== null) this.#onSurplus(this.#present(raw), wasConcluded);
    else {
      const step = this.#awaited.shift();
      if (step === undefined) this.#onEarly(this.#present(raw));
      else this.#onDue(step, raw, this.#task);
    }
  }

  #present(raw: RawReply): SmtpReply {
    return presentReply(raw, this.#options.redact);
  }

  #onDue(step: Step, raw: RawReply, task: Task): void {
    this.#last = step;
    this.#phase = phaseOf(step);
    const verdict = judge(step, raw.code);
    const isLast = this.#awaited.length === 0;
    if (verdict === "unexpected") {
      this.#onUnexpected(this.#present(raw));
      return;
    }
    task.onReply(new DueReply(step, verdict, raw, isLast, this.#options.redact));
    this.#enterPhase();
  }

  /** A reply to RSET that was sent along with QUIT, or before it. */
  #onLeaving({ code }: RawReply): void {
    const step = this.#awaited.shift();
    if (step === "quit") return;
    const isLost = step === undefined || code === SERVICE_CLOSING || judge(step, code) === "unexpected";
    if (isLost) this.#afterwards = "hang-up";
    else if (this.#awaited.length === 0) this.#port.send("quit", "QUIT");
    this.#session.learned.acceptsReset ||= step === "rset" && code === 250;
  }

  /** Some servers reject a message while it is still being written. */
  #onEarly(reply: SmtpReply): void {
    const isAboutMessage = this.#isMessageStarted || this.#staged.some(({ step }) => isOfMessage(step));
    if (reply.code >= 400 && isAboutMessage && this.#task?.onEarlyRejection)
      this.#task.onEarlyRejection(reply);
    else this.#onUnexpected(reply);
  }

  /** More replies than commands: the connection is out of step, and what was just answered may be too. */
  #onSurplus(reply: SmtpReply | null, wasConcluded: boolean): void {
    this.#afterwards = "hang-up";
    if (wasConcluded || this.#result === null) return;
    if (this.#isEndWritten && reply !== null && this.#isContradiction(reply, this.#result)) {
      this.#result = { successful: false, failure: unknownOutcome("protocol", reply) };
    } else if (!this.#isEndWritten && this.#result.successful) {
      this.#result = { successful: false, failure: notSent(this.#phase, "protocol", reply) };
    }
  }

  /** A server may close at any time with a 421 (RFC 5321 3.8); after DATA that cannot be the reply to the message. */
  #isContradiction({ code }: SmtpReply, { successful }: Result): boolean {
    if (code === SERVICE_CLOSING && this.#last === "message") return false;
    return successful !== (code >= 200 && code < 300);
  }

  #onUnexpected(reply: SmtpReply | null): void {
    this.#end({ code: "protocol", phase: this.#phase, reply });
  }

  #end(loss: { readonly code: FailureCode; readonly phase: Phase; readonly reply: SmtpReply | null }): void {
    this.#afterwards = "hang-up";
    if (this.#result !== null || this.#task === null) return;
    const failure = this.#task.onLost({ ...loss, isEndWritten: this.#isEndWritten });
    this.#result = { successful: false, failure };
  }

  #rejection(phase: Phase, reply: SmtpReply): Failure {
    return rejection(phase, reply, { isTls: this.#session.isTls, hasLogin: this.#options.login !== null });
  }

  /** Hands out what is staged: from here on the server may have it. */
  #turn(): Turn {
    const staged = this.#afterwards === "hang-up" ? [] : this.#staged;
    this.#staged = [];
    const wasIdle = this.#awaited.length === 0;
    for (const { step } of staged) {
      this.#isMessageStarted ||= isOfMessage(step);
      this.#isEndWritten ||= step !== null && isOfMessage(step);
      if (step === null) this.#isDraining = true;
      else this.#awaited.push(step);
    }
    if (wasIdle && this.#awaited.length > 0) this.roundTrips++;
    this.#enterPhase();
    const phases = this.#phases;
    this.#phases = [];
    return { write: joined(staged), wait: this.#wait(), phases };
  }

  /** The phase is that of the reply that is due next; while none is, it stays. */
  #enterPhase(): void {
    const [next] = this.#awaited;
    if (next === undefined) return;
    this.#phase = phaseOf(next);
    if (this.#phases.at(-1) !== this.#phase) this.#phases.push(this.#phase);
  }

  #wait(): Wait {
    if (this.#task !== null && this.#result !== null) return { for: "nothing" };
    if (this.#isHandshaking) return { for: "tls" };
    if (this.#isDraining) return { for: "drain" };
    return { for: "reply", phase: this.#phase };
  }
}
