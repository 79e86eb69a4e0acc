import type { Pipelining } from "../domain/definition-fields.ts";
import { type Failure, notSent, type SmtpReply, unknownOutcome } from "../domain/delivery.ts";
import { endsSession } from "./failures.ts";
import type { RawReply } from "./replies.ts";
import {
  type Afterwards,
  type Loss,
  type Port,
  phaseOf,
  type Received,
  SERVICE_CLOSING,
  type Task,
} from "./task.ts";

/** One message to one recipient (RFC 5321 3.3). */
export interface MessageTransfer {
  /** Reverse-path without angle brackets. */
  readonly from: string;
  /** Forward-path without angle brackets. */
  readonly recipient: string;
  /** The final bytes, with CRLF line ends, ending in CRLF. */
  readonly bytes: Uint8Array;
  /** Whether some octet is above 127. */
  readonly eightBit: boolean;
  /** Whether such an octet is in the header section, which only SMTPUTF8 allows (RFC 6531 3.4). */
  readonly utf8Headers: boolean;
}

export interface TransactionOptions {
  readonly pipelining: Pipelining;
  /** Whether BDAT is allowed: the server replied within the last seconds, and has not rejected BDAT. */
  readonly mayUseBdat: boolean;
  /** Whether the connection stays open after a few rejections. RSET then precedes the next message. */
  readonly survivesRejection: boolean;
}

/** A longer message is written in pieces of this size, to stay in step with a server that reads slowly. */
const PIECE_OCTETS = 64 * 1024;
/** Maximum size of the last piece. Before that, the server cannot have accepted the message. */
const MAX_LAST_PIECE_OCTETS = 16 * 1024;
/** Maximum size of a message in one flight with BDAT, which cannot be stopped after the sender is rejected. */
const MAX_FLIGHT_OCTETS = 64 * 1024;
/** Replies to BDAT that reject the command or its parameters (RFC 5321 4.2.3 and 4.1.1.11), not the message. */
const UNKNOWN_COMMAND: readonly number[] = [500, 501, 502, 503, 504, 555];
const BAD_SEQUENCE = 503;
/**
 * Number of rejected commands in a row after which the connection is closed. From ten on Postfix delays its replies, and
 * later it hangs up (`smtpd_soft_error_limit`), as Exim does (`smtp_accept_max_nonmail`). A flight without replies is unknown.
 */
const MAX_REJECTED = 8;
const DOT = 0x2e;
/** The end of mail data (RFC 5321 4.1.1.4), after the CRLF of the last line. */
const END_OF_DATA = Uint8Array.of(DOT, 0x0d, 0x0a);

type Flight = "lockstep" | "pipelined" | "bdat";

/**
 * Sends one message: one command at a time, with MAIL, RCPT and DATA in one flight (RFC 2920), or with everything in one
 * flight by BDAT (RFC 3030).
 */
export class Transaction implements Task {
  readonly #port: Port;
  readonly #message: MessageTransfer;
  readonly #options: TransactionOptions;
  readonly #flight: Flight;
  #rejection: Failure | null = null;
  /** Whether the server had no other transaction when it replied to MAIL. */
  #wasReset = false;
  /** Whether a rejection of MAIL or RCPT leaves no transaction that BDAT could complete. */
  #isRuledOut = false;
  #unwritten: Uint8Array = new Uint8Array();

  constructor(port: Port, message: MessageTransfer, options: TransactionOptions) {
    this.#port = port;
    this.#message = message;
    this.#options = options;
    this.#flight = this.#chooseFlight();
  }

  /** Whether all replies may arrive together, and none of them shows to which command it is. */
  get isByBdat(): boolean {
    return this.#flight === "bdat";
  }

  /** Whether the commands of the next message may be written with the end of this one. */
  get mayLead(): boolean {
    return this.#flight === "pipelined";
  }

  /** Whether its commands may be written before the reply to the message before it (RFC 2920 3.1). */
  get mayFollow(): boolean {
    return this.#flight === "pipelined" && this.#unsupported() === null;
  }

  /** Starts with the end of the previous message. Needs no RSET, because this one starts only if that is accepted. */
  follow(): void {
    this.#sendMail();
    this.#sendRcpt();
    this.#port.send("data", "DATA");
  }

  start(): void {
    const failure = this.#unsupported();
    if (failure !== null) {
      this.#fail(failure, "reuse");
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

  onEarlyRejection(raw: RawReply): void {
    this.#fail(this.#port.rejection("data", raw), "hang-up");
  }

  onDrained(): void {
    this.#writePiece();
  }

  onLost({ code, phase, reply, isEndWritten }: Loss): Failure {
    if (!isEndWritten) return this.#rejection ?? notSent(phase, code, reply);
    if (this.#isRuledOut && this.#rejection !== null) return this.#rejection;
    this.#port.session.learned.endangersBdat ||= this.isByBdat;
    return unknownOutcome(code, reply);
  }

  #onReset({ verdict, reply }: Received): void {
    const { session } = this.#port;
    if (verdict === "accepted") {
      session.isReset = true;
      session.learned.acceptsReset = true;
      if (this.#flight === "lockstep") this.#sendMail();
    } else if (this.#flight === "lockstep" || reply.code === SERVICE_CLOSING) {
      // The fault is the connection's, not the message's, so treat it as closed.
      this.#fail(
        this.onLost({ code: "closed", phase: "sender", reply: null, isEndWritten: this.isByBdat }),
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
      // The server would take any command for the message (RFC 2920 3.1), so write nothing more.
      this.#fail(this.#rejection, "hang-up");
    }
  }

  #onEnd(reply: SmtpReply): void {
    if (this.#rejection !== null) {
      // The server accepted a message after rejecting its sender or recipient.
      this.#fail(unknownOutcome("protocol", reply), "quit");
      return;
    }
    const { session } = this.#port;
    session.isReset = true;
    session.rejected = 0;
    if (this.isByBdat) session.learned.acceptsBdat = true;
    this.#port.conclude({ successful: true, reply }, "reuse");
  }

  #onRejected({ step, raw, isLast }: Received): void {
    const { code } = raw;
    const { session } = this.#port;
    session.rejected++;
    if (step === "mail") this.#noteMail();
    if (step === "mail" || step === "rcpt") {
      this.#isRuledOut ||= this.#wasReset && !(step === "mail" && code === BAD_SEQUENCE);
    }
    if (step === "bdat" && this.#rejection === null && UNKNOWN_COMMAND.includes(code)) {
      session.learned.rejectsBdat = true;
    }
    const isEnd = step === "bdat" || step === "message";
    const phase = phaseOf(step);
    this.#rejection ??= this.#port.rejection(phase, raw);
    const maySurvive = this.#options.survivesRejection && session.rejected < MAX_REJECTED;
    if (code === SERVICE_CLOSING) this.#onClosing(phase, isEnd);
    else if (isEnd && maySurvive && !endsSession(this.#rejection)) this.#fail(this.#rejection, "reuse");
    else if (isLast) this.#fail(this.#rejection, "quit");
  }

  #onClosing(phase: Failure["phase"], isEnd: boolean): void {
    const loss = { code: "closed", phase, reply: null, isEndWritten: this.isByBdat && !isEnd } as const;
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

  #chooseFlight(): Flight {
    const { session } = this.#port;
    const { pipelining, mayUseBdat } = this.#options;
    const { keywords } = session.extensions;
    if (pipelining === "off" || !keywords.has("PIPELINING")) return "lockstep";
    // Without TLS, a middlebox may list CHUNKING and break BDAT.
    const isShort = this.#message.bytes.length < MAX_FLIGHT_OCTETS;
    return session.isTls && keywords.has("CHUNKING") && mayUseBdat && isShort ? "bdat" : "pipelined";
  }

  /** Returns why the extensions of the server do not allow the message. `null` if they do. */
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
    const isLast = left.length <= MAX_LAST_PIECE_OCTETS;
    if (isLast) {
      this.#port.write("message", left);
      return;
    }
    const octets = Math.min(PIECE_OCTETS, left.length - MAX_LAST_PIECE_OCTETS);
    this.#unwritten = left.subarray(octets);
    this.#port.write(null, left.subarray(0, octets));
  }
}

/** Returns `BDAT n LAST` and the message, byte for byte (RFC 3030 2). */
function bdatChunk(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`BDAT ${bytes.length} LAST\r\n`), bytes]);
}

/** Returns mail data with the terminator and a dot before each leading dot (RFC 5321 4.5.2). */
export function stuffDots(bytes: Uint8Array): Uint8Array {
  const dots = leadingDots(bytes);
  const stuffed = new Uint8Array(bytes.length + dots.length + END_OF_DATA.length);
  stuffed.set(END_OF_DATA, stuffed.length - END_OF_DATA.length);
  let start = 0;
  for (const [before, index] of dots.entries()) {
    stuffed.set(bytes.subarray(start, index), start + before);
    stuffed[index + before] = DOT;
    start = index;
  }
  stuffed.set(bytes.subarray(start), start + dots.length);
  return stuffed;
}

function leadingDots(bytes: Uint8Array): number[] {
  const dots: number[] = bytes[0] === DOT ? [0] : [];
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let end = text.indexOf("\n."); end >= 0; end = text.indexOf("\n.", end + 1)) dots.push(end + 1);
  return dots;
}

export function isAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}
