import type { Failure, FailureCode, Phase, SmtpReply } from "../domain/delivery.ts";
import { presentText } from "../domain/redact.ts";
import { type Extensions, NO_EXTENSIONS, presentReply, type RawReply } from "./replies.ts";

/** A command, or the end of a message, to which the server sends one reply. */
export type Step =
  | "greeting"
  | "ehlo"
  | "helo"
  | "starttls"
  | "auth"
  | "rset"
  | "mail"
  | "rcpt"
  | "data"
  | "message"
  | "bdat"
  | "quit";

/** `unexpected`: the reply has no meaning for the step, so replies and commands no longer match. */
type Verdict = "accepted" | "rejected" | "unexpected";

interface StepRule {
  readonly phase: Phase;
  /** Whether a reply code lets the conversation go on. Exact where the RFC is, so that a doubled reply is noticed. */
  readonly accepts: (code: number) => boolean;
}

/** RFC 5321 3.8: the server closes the connection after this reply, and sends none that is still due. */
export const SERVICE_CLOSING = 421;

/** RFC 5321 4.1.1.10: the reply to QUIT. */
export const CLOSING_CHANNEL = 221;

export const isPositive = (code: number): boolean => code >= 200 && code < 300;

/** The replies to each step: RFC 5321 4.3.2, RFC 3207 4, RFC 4954 4, RFC 3030 2. */
const STEPS: Readonly<Record<Step, StepRule>> = {
  greeting: { phase: "greeting", accepts: (code) => code === 220 },
  ehlo: { phase: "ehlo", accepts: (code) => code === 250 },
  helo: { phase: "ehlo", accepts: (code) => code === 250 },
  starttls: { phase: "starttls", accepts: (code) => code === 220 },
  auth: { phase: "auth", accepts: (code) => code === 235 || code === 334 },
  rset: { phase: "sender", accepts: isPositive },
  mail: { phase: "sender", accepts: isPositive },
  rcpt: { phase: "recipient", accepts: isPositive },
  data: { phase: "data", accepts: (code) => code === 354 },
  message: { phase: "data", accepts: isPositive },
  bdat: { phase: "data", accepts: isPositive },
  quit: { phase: "data", accepts: isPositive },
};

export function phaseOf(step: Step): Phase {
  return STEPS[step].phase;
}

export function judge(step: Step, code: number): Verdict {
  if (STEPS[step].accepts(code)) return "accepted";
  return code >= 400 ? "rejected" : "unexpected";
}

/**
 * Whether a second reply to the end of a message contradicts the result of the first. A 421 does not: a server may close
 * with it at any time (RFC 5321 3.8).
 */
export function isContradiction({ code }: SmtpReply, { successful }: Result): boolean {
  return code !== SERVICE_CLOSING && successful !== isPositive(code);
}

/** The use of a connection after a task: another task, QUIT, or neither because the server would not reply. */
export type Afterwards = "reuse" | "quit" | "hang-up";

/** The result of a task. */
export type Result =
  | { readonly successful: true; readonly reply: SmtpReply | null }
  | { readonly successful: false; readonly failure: Failure };

/** The state that both sides of a connection have established. */
export interface Session {
  greeting: string | null;
  isTls: boolean;
  /** Extensions of the latest reply to EHLO. */
  extensions: Extensions;
  /** Extensions listed before TLS and under TLS. */
  readonly listed: { clear: Extensions; tls: Extensions };
  /** Whether the server has no transaction: its latest reply to EHLO, RSET or a message was 250 (RFC 5321 4.1.4). */
  isReset: boolean;
  /** Rejected commands since the server accepted a message. */
  rejected: number;
  readonly learned: {
    /** Whether the server accepted a message by BDAT. */
    acceptsBdat: boolean;
    /** Whether the server rejected the command BDAT. */
    rejectsBdat: boolean;
    /**
     * Whether the outcome of a message by BDAT may be unknown or another than it seems: the connection was lost after BDAT,
     * or replies did not match commands.
     */
    endangersBdat: boolean;
    /** Whether the server replied to RSET with 250. */
    acceptsReset: boolean;
  };
}

export function createSession(isTls: boolean): Session {
  return {
    greeting: null,
    isTls,
    extensions: NO_EXTENSIONS,
    listed: { clear: NO_EXTENSIONS, tls: NO_EXTENSIONS },
    isReset: false,
    rejected: 0,
    learned: { acceptsBdat: false, rejectsBdat: false, endangersBdat: false, acceptsReset: false },
  };
}

/** The connection as a task sees it. Commands and bytes leave together, with the turn that the conversation returns. */
export interface Port {
  readonly session: Session;
  /** Writes a line, adding CRLF, to which the server sends one reply. */
  send(step: Step, line: string): void;
  /** Writes bytes of a message. `step` is the one that they complete, or `null` if more bytes follow. */
  write(step: Step | null, bytes: Uint8Array): void;
  /** @param accepted the reply that accepted STARTTLS. */
  startTls(accepted: SmtpReply): void;
  /** Returns the failure for a 4xx or 5xx reply. */
  rejection(phase: Phase, raw: RawReply): Failure;
  /** Ends the task. */
  conclude(result: Result, afterwards: Afterwards): void;
}

/** One reply as a task receives it, never an unexpected one. */
export class Received {
  readonly step: Step;
  readonly verdict: Exclude<Verdict, "unexpected">;
  readonly raw: RawReply;
  /** Whether no further reply of the same flight is due. */
  readonly isLast: boolean;
  readonly #redact: (text: string) => string;

  constructor(
    step: Step,
    verdict: Received["verdict"],
    raw: RawReply,
    isLast: boolean,
    redact: (text: string) => string,
  ) {
    this.step = step;
    this.verdict = verdict;
    this.raw = raw;
    this.isLast = isLast;
    this.#redact = redact;
  }

  /** The reply to show. Computed on demand, because for most replies only the code matters. */
  get reply(): SmtpReply {
    return presentReply(this.raw, this.#redact);
  }

  /** Makes another text of the server safe to show. */
  present(text: string): string {
    return presentText(text, this.#redact);
  }
}

/** The reason why a connection cannot be used any longer. */
export interface Loss {
  readonly code: FailureCode;
  readonly phase: Phase;
  readonly reply: SmtpReply | null;
  /** Whether the end of the message was written: the server may have accepted it. */
  readonly isEndWritten: boolean;
}

/** One use of a connection: opening it, one transaction, or one check. */
export interface Task {
  start(): void;
  onReply(received: Received): void;
  /** Handles a rejection that arrives before its command or message is complete. */
  onEarlyRejection?(raw: RawReply): void;
  onSecured?(): void;
  /** The socket has taken the bytes so far. More may follow. */
  onDrained?(): void;
  /** Returns the failure if the connection is lost now. */
  onLost(loss: Loss): Failure;
}
