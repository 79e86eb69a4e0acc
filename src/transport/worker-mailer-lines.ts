import type { OpenServer } from "../domain/smtp-server.ts";
import { type Capabilities, chooseMechanism } from "./capabilities.ts";
import type { Transaction } from "./mail-session.ts";
import { beginSasl, type SaslExchange } from "./sasl.ts";
import type { LibraryAct } from "./worker-mailer-guard.ts";

/** An act that is one line on the wire. */
export type LineAct = Exclude<LibraryAct, "body">;

export interface WorkerMailerLinesOptions {
  readonly server: OpenServer;
  readonly ehloName: string;
}

/** How far a session has come. */
export interface LineState {
  readonly capabilities: Capabilities;
  readonly isTls: boolean;
  readonly mail: Transaction | null;
}

/** What may be said in clear when TLS is asked for. */
const BEFORE_TLS: readonly LineAct[] = ["ehlo", "helo", "starttls"];

/** What goes on the wire for what worker-mailer wants to say, and what it is told of the server. */
export class WorkerMailerLines {
  readonly #options: WorkerMailerLinesOptions;
  #sasl: SaslExchange | null = null;

  constructor(options: WorkerMailerLinesOptions) {
    this.#options = options;
  }

  /** Without CRLF; null if nothing may be said. */
  lineOf(act: LineAct, state: LineState): string | null {
    const { ehloName } = this.#options;
    if (this.#isExposed(state) && !BEFORE_TLS.includes(act)) return null;
    if (act === "auth") return this.#beginSasl(state);
    if (act === "mail") return state.mail === null ? null : mailLine(state.mail, state.capabilities);
    if (act === "rcpt") return state.mail === null ? null : `RCPT TO:<${state.mail.recipient}>`;
    return { ehlo: `EHLO ${ehloName}`, helo: `HELO ${ehloName}`, starttls: "STARTTLS", data: "DATA" }[act];
  }

  /** The answer to a challenge of the server (RFC 4954 4); null if the mechanism has none left. */
  answer(challenge: string): string | null {
    return this.#sasl?.answer(challenge) ?? null;
  }

  /** Which of EHLO's keywords the library is to know: those that make it take the next step. */
  keywords(state: LineState): readonly string[] {
    if (this.#isExposed(state)) return ["STARTTLS"];
    const { username, password } = this.#options.server;
    return username !== "" && !password.isEmpty && hasMechanism(state) ? ["AUTH PLAIN"] : [];
  }

  #isExposed({ isTls }: LineState): boolean {
    return this.#options.server.security !== "none" && !isTls;
  }

  #beginSasl({ capabilities, isTls }: LineState): string | null {
    const { username, password } = this.#options.server;
    const mechanism = chooseMechanism(capabilities, isTls);
    if (mechanism === null) return null;
    this.#sasl = beginSasl(mechanism, username, password.reveal());
    return this.#sasl.command;
  }
}

/** Whether the server offers a mechanism that we have. */
export function hasMechanism({ capabilities, isTls }: LineState): boolean {
  return chooseMechanism(capabilities, isTls) !== null;
}

function mailLine({ from, recipient, bytes, eightBit }: Transaction, { keywords }: Capabilities): string {
  const needsUtf8 = !/^[\x20-\x7e]*$/.test(from + recipient);
  const parameters = [
    // RFC 6531 3.4, RFC 6152 2, RFC 1870 3.
    ...(needsUtf8 ? ["SMTPUTF8"] : []),
    ...(eightBit ? ["BODY=8BITMIME"] : []),
    ...(keywords.has("SIZE") ? [`SIZE=${bytes.length}`] : []),
  ];
  return [`MAIL FROM:<${from}>`, ...parameters].join(" ");
}
