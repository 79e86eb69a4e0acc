import type { Failure, FailureCode, Phase, SmtpReply } from "../domain/delivery.ts";
import { type Extensions, NO_EXTENSIONS } from "./extensions.ts";
import type { RawReply } from "./replies.ts";
import type { Step, Verdict } from "./steps.ts";

/** What the connection is good for after a piece of work: another one, QUIT, or nothing that the server would heed. */
export type Afterwards = "reuse" | "quit" | "hang-up";

/** How a piece of work on a connection ended. */
export type Result =
  | { readonly successful: true; readonly reply: SmtpReply | null }
  | { readonly successful: false; readonly failure: Failure };

/** What both sides of a connection have established. */
export interface Session {
  greeting: string | null;
  isTls: boolean;
  /** The server's last list. */
  extensions: Extensions;
  /** The list before TLS, and the one under it. */
  readonly listed: { clear: Extensions; tls: Extensions };
  /** Whether the server holds no transaction: EHLO, RSET or the end of a message was answered 250 (RFC 5321 4.1.4). */
  isReset: boolean;
  /**
   * Whether the server accepted a message by BDAT, rejected BDAT itself, or was lost after it with an unknown outcome, and
   * whether it replied 250 to RSET.
   */
  readonly learned: {
    acceptsBdat: boolean;
    rejectsBdat: boolean;
    losesBdat: boolean;
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
    learned: { acceptsBdat: false, rejectsBdat: false, losesBdat: false, acceptsReset: false },
  };
}

/** The connection as a task sees it. What it writes leaves with the turn that is being made, not before. */
export interface Port {
  readonly session: Session;
  /** Writes a line, CRLF added, that the server answers with one reply. */
  send(step: Step, line: string): void;
  /** Writes bytes of a message; `step` is the one that they complete, null if more bytes follow. */
  write(step: Step | null, bytes: Uint8Array): void;
  startTls(): void;
  rejection(phase: Phase, reply: SmtpReply): Failure;
  /** Ends the task. */
  conclude(result: Result, afterwards: Afterwards): void;
}

/** One reply as a task gets it; never an unexpected one. */
export interface Received {
  readonly step: Step;
  readonly verdict: Exclude<Verdict, "unexpected">;
  /** Made fit to be shown when it is asked for: of most replies only the code counts. */
  readonly reply: SmtpReply;
  readonly raw: RawReply;
  /** Whether no further reply of the same flight is due. */
  readonly isLast: boolean;
}

/** Why a connection is of no further use. */
export interface Loss {
  readonly code: FailureCode;
  readonly phase: Phase;
  readonly reply: SmtpReply | null;
  /** Whether the end of the message was handed to the socket: from then on the server may have accepted it. */
  readonly isEndWritten: boolean;
}

/** A piece of work on a connection: opening it, one transaction, one check. */
export interface Task {
  start(): void;
  onReply(received: Received): void;
  /** A rejection that came before the command or message it is about was complete. */
  onEarlyRejection?(reply: SmtpReply): void;
  onSecured?(): void;
  /** What was written has left, and more may follow. */
  onDrained?(): void;
  /** The failure if the connection is lost now. */
  onLost(loss: Loss): Failure;
}
