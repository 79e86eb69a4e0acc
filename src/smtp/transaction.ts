import { type Failure, notSent, type SmtpReply, unknownOutcome } from "../domain/delivery.ts";
import type { Pipelining } from "../domain/smtp-server.ts";
import { stuffDots } from "./dot-stuffing.ts";
import type { Afterwards, Loss, Port, Received, Task } from "./session.ts";

/** One message to one recipient (RFC 5321 3.3). */
export interface MessageTransfer {
  /** Reverse-path without angle brackets. */
  readonly from: string;
  /** Forward-path without angle brackets. */
  readonly recipient: string;
  /** CRLF line ends, ending in CRLF. */
  readonly bytes: Uint8Array;
  /** Whether some octet is above 127. */
  readonly eightBit: boolean;
  /** Whether one of these is in the header section, which only SMTPUTF8 allows (RFC 6531 3.4). */
  readonly utf8Headers: boolean;
}

export interface TransactionOptions {
  readonly pipelining: Pipelining;
  /** Whether BDAT may be used: the connection answered in the last seconds, and the server never rejected BDAT. */
  readonly mayUseBdat: boolean;
  /** Whether the connection may serve further messages after a rejection; RSET then leads the next flight. */
  readonly survivesRejection: boolean;
}

/** Of a longer message a piece at a time is written, so that a server that reads slowly is not written ahead of. */
const PIECE_OCTETS = 64 * 1024;
/** The most that is written with the end: until then the server cannot have accepted the message. */
const LAST_PIECE_OCTETS = 16 * 1024;
/** BDAT in one flight cannot be stopped once the sender or recipient is rejected, so it is for short messages. */
const MAX_FLIGHT_OCTETS = 64 * 1024;
/** Replies to BDAT that mean the command itself (RFC 5321 4.2.3). */
const UNKNOWN_COMMAND: readonly number[] = [500, 502, 503];
const SERVICE_CLOSING = 421;
const BAD_SEQUENCE = 503;

type Flight = "lockstep" | "pipelined" | "bdat";

/**
 * MAIL, RCPT, and the message by DATA or BDAT: in lockstep, with the three commands in one flight (RFC 2920), or all in
 * one flight (RFC 3030).
 */
export class Transaction implements Task {
  readonly #port: Port;
  readonly #message: MessageTransfer;
  readonly #options: TransactionOptions;
  readonly #flight: Flight;
  #rejection: Failure | null = null;
  /** Whether the server held no other transaction when it replied to MAIL. */
  #wasReset = false;
  /** Whether MAIL or RCPT was rejected so that nothing is left for BDAT to complete. */
  #isRuledOut = false;
  #unwritten: Uint8Array = new Uint8Array();

  constructor(port: Port, message: MessageTransfer, options: TransactionOptions) {
    this.#port = port;
    this.#message = message;
    this.#options = options;
    this.#flight = this.#chooseFlight();
  }

  /** Whether the end of this message leaves without the next commands, which may then be written along with it. */
  get mayLead(): boolean {
    return this.#flight === "pipelined";
  }

  /** Whether its commands may be written before the reply to the message before it (RFC 2920 3.1). */
  get mayFollow(): boolean {
    return this.#flight === "pipelined" && this.#unsupported() === null;
  }

  /** Starts along with the end of the message before it, which the server has to accept first: so RSET is not needed. */
  follow(): void {
    this.#sendMail();
    this.#sendRcpt();
    this.#port.send("data", "DATA");
  }

  start(): void {
    const failure = this.#unsupported();
    if (failure !== null) {
      this.#port.conclude({ successful: false, failure }, "reuse");
      return;
    }
    const mustReset = !this.#port.session.isReset;
    if (mustReset) this.#port.send("rset", "RSET");
    if (this.#flight !== "lockstep" || !mustReset) this.#sendMail();
    if (this.#flight === "lockstep") return;
    this.#sendRcpt();
    if (this.#flight === "pipelined") this.#port.send("data", "DATA");
    else this.#port.write("bdat", bdatChunk(this.#message.bytes));
  }

  onReply(received: Received): void {
    const { step, verdict } = received;
    if (step === "rset") this.#onReset(received);
    else if (verdict === "rejected") this.#onRejected(received);
    else if (step === "mail") this.#onMail();
    else if (step === "rcpt") this.#onRcpt();
    else if (step === "data") this.#onData();
    else this.#onEnd(received.reply);
  }

  onEarlyRejection(reply: SmtpReply): void {
    this.#fail(this.#port.rejection("data", reply), "hang-up");
  }

  onDrained(): void {
    this.#writePiece();
  }

  onLost({ code, phase, reply, isEndWritten }: Loss): Failure {
    if (!isEndWritten) return this.#rejection ?? notSent(phase, code, reply);
    if (this.#isRuledOut && this.#rejection !== null) return this.#rejection;
    this.#port.session.learned.losesBdat ||= this.#isBdat;
    return unknownOutcome(code, reply);
  }

  #onReset({ verdict, reply }: Received): void {
    const { session } = this.#port;
    if (verdict === "accepted") {
      session.isReset = true;
      session.learned.acceptsReset = true;
      if (this.#flight === "lockstep") this.#sendMail();
    } else if (this.#flight === "lockstep" || reply.code === SERVICE_CLOSING) {
      // The connection is at fault, not the message: it is as good as closed.
      this.#fail(
        this.onLost({ code: "closed", phase: "sender", reply: null, isEndWritten: this.#isBdat }),
        "hang-up",
      );
    }
  }

  #onMail(): void {
    this.#noteMail();
    if (this.#flight === "lockstep") this.#sendRcpt();
  }

  #onRcpt(): void {
    if (this.#flight === "lockstep" && this.#rejection === null) this.#port.send("data", "DATA");
  }

  #onData(): void {
    if (this.#rejection === null) {
      this.#unwritten = stuffDots(this.#message.bytes);
      this.#writePiece();
    } else {
      // The server would take what follows for the message (RFC 2920 3.1), so nothing may follow.
      this.#fail(this.#rejection, "hang-up");
    }
  }

  #onEnd(reply: SmtpReply): void {
    if (this.#rejection !== null) {
      // The server accepted what it cannot have had a sender or recipient for.
      this.#fail(unknownOutcome("protocol", reply), "quit");
      return;
    }
    const { session } = this.#port;
    session.isReset = true;
    if (this.#isBdat) session.learned.acceptsBdat = true;
    this.#port.conclude({ successful: true, reply }, "reuse");
  }

  #onRejected({ step, reply, isLast }: Received): void {
    const { code } = reply;
    if (step === "mail") this.#noteMail();
    if (step === "mail" || step === "rcpt") {
      this.#isRuledOut ||= this.#wasReset && !(step === "mail" && code === BAD_SEQUENCE);
    }
    if (step === "bdat" && this.#rejection === null && UNKNOWN_COMMAND.includes(code)) {
      this.#port.session.learned.rejectsBdat = true;
    }
    const isEnd = step === "bdat" || step === "message";
    const phase = step === "mail" ? "sender" : step === "rcpt" ? "recipient" : "data";
    this.#rejection ??= this.#port.rejection(phase, reply);
    if (code === SERVICE_CLOSING) this.#onClosing(phase, isEnd);
    else if (isEnd) this.#fail(this.#rejection, this.#options.survivesRejection ? "reuse" : "quit");
    else if (isLast) this.#fail(this.#rejection, "quit");
  }

  /** RFC 5321 3.8: after 421 the server closes, and answers nothing that is still due. */
  #onClosing(phase: Failure["phase"], isEnd: boolean): void {
    const loss = { code: "closed", phase, reply: null, isEndWritten: this.#isBdat && !isEnd } as const;
    this.#fail(this.onLost(loss), "hang-up");
  }

  #noteMail(): void {
    const { session } = this.#port;
    this.#wasReset = session.isReset;
    session.isReset = false;
  }

  #fail(failure: Failure, afterwards: Afterwards): void {
    this.#port.conclude({ successful: false, failure }, afterwards);
  }

  get #isBdat(): boolean {
    return this.#flight === "bdat";
  }

  #chooseFlight(): Flight {
    const { session } = this.#port;
    const { pipelining, mayUseBdat } = this.#options;
    const { keywords } = session.extensions;
    if (pipelining === "off" || !keywords.has("PIPELINING")) return "lockstep";
    // Without TLS a middlebox that announces BDAT and breaks it may be in the way.
    const isShort = this.#message.bytes.length < MAX_FLIGHT_OCTETS;
    return session.isTls && keywords.has("CHUNKING") && mayUseBdat && isShort ? "bdat" : "pipelined";
  }

  /** Why the server, by its extensions, cannot take the message; null if it can. */
  #unsupported(): Failure | null {
    const { keywords, sizeOctets } = this.#port.session.extensions;
    const { from, recipient, bytes, eightBit, utf8Headers } = this.#message;
    const hasUtf8 = keywords.has("SMTPUTF8");
    if (!hasUtf8 && !isAscii(from)) return notSent("sender", "unsupported_here");
    if (!hasUtf8 && !isAscii(recipient)) return notSent("recipient", "unsupported_here");
    if (!hasUtf8 && utf8Headers) return notSent("data", "unsupported_here");
    // RFC 6152 3: octets above 127 must not go to a server that does not list 8BITMIME.
    if (eightBit && !keywords.has("8BITMIME")) return notSent("data", "unsupported_here");
    if (sizeOctets !== null && bytes.length > sizeOctets) return notSent("sender", "too_large");
    return null;
  }

  #sendMail(): void {
    const { from, recipient, bytes, eightBit, utf8Headers } = this.#message;
    const { keywords } = this.#port.session.extensions;
    let line = `MAIL FROM:<${from}>`;
    // RFC 6531 3.4, RFC 6152 2, RFC 1870 6.
    if (utf8Headers || !isAscii(from) || !isAscii(recipient)) line += " SMTPUTF8";
    if (eightBit) line += " BODY=8BITMIME";
    if (keywords.has("SIZE")) line += ` SIZE=${bytes.length}`;
    this.#port.send("mail", line);
  }

  #sendRcpt(): void {
    this.#port.send("rcpt", `RCPT TO:<${this.#message.recipient}>`);
  }

  #writePiece(): void {
    const left = this.#unwritten;
    const isLast = left.length <= LAST_PIECE_OCTETS;
    if (isLast) {
      this.#port.write("message", left);
      return;
    }
    const octets = Math.min(PIECE_OCTETS, left.length - LAST_PIECE_OCTETS);
    this.#unwritten = left.subarray(octets);
    this.#port.write(null, left.subarray(0, octets));
  }
}

/** `BDAT n LAST` and the message, byte for byte (RFC 3030 2). */
function bdatChunk(bytes: Uint8Array): Uint8Array {
  const command = new TextEncoder().encode(`BDAT ${bytes.length} LAST\r\n`);
  const chunk = new Uint8Array(command.length + bytes.length);
  chunk.set(command);
  chunk.set(bytes, command.length);
  return chunk;
}

function isAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}
