import type { LibrarySocket } from "./worker-mailer-sockets.ts";

/** What the library means by what it writes; what goes on the wire in its place is not its to say. */
export type LibraryAct = "ehlo" | "helo" | "starttls" | "auth" | "mail" | "rcpt" | "data" | "body";

/** What the library is given instead of credentials, addresses and a message: it never has the real ones. */
export const STAND_INS = {
  credentials: { username: "username", password: "password" },
  from: "sender",
  to: "recipient",
  subject: "subject",
  text: "text",
} as const;

/** All that worker-mailer 1.2.1 says up to a body, letter for letter. */
export const LIBRARY_LINES: Readonly<Record<string, LibraryAct>> = {
  "EHLO 127.0.0.1\r\n": "ehlo",
  "HELO 127.0.0.1\r\n": "helo",
  "STARTTLS\r\n": "starttls",
  [`AUTH PLAIN ${btoa(`\0${STAND_INS.credentials.username}\0${STAND_INS.credentials.password}`)}\r\n`]:
    "auth",
  [`MAIL FROM: <${STAND_INS.from}>\r\n`]: "mail",
  [`RCPT TO: <${STAND_INS.to}>\r\n`]: "rcpt",
  "DATA\r\n": "data",
};

/** The end of mail data (RFC 5321 4.1.1.4). */
const BODY_END = "\r\n.\r\n";

export interface GuardOptions {
  /** Resolves when what the library meant is on the wire; rejects when it will never be. */
  readonly perform: (act: LibraryAct) => Promise<void>;
  /** Begins TLS, after the library was told that the server agreed. */
  readonly startTls: () => void;
  /** The library said what it was not known to say; nothing of it went out. */
  readonly refuse: () => void;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * The other end of worker-mailer's socket. The library decides what comes next, and nothing more: each of its lines
 * has to be one of {@link LIBRARY_LINES}, and replies reach it in words of ours. Its stream never ends but by an
 * error, because at an end it would spin for ever.
 */
export class Guard {
  readonly #options: GuardOptions;
  #replies: ReadableStreamDefaultController<Uint8Array> | null = null;
  #isBodyDue = false;
  #ended: Error | null = null;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /** A socket for the library; the one before is cut off. */
  socket(): LibrarySocket {
    const readable = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#replies = controller;
      },
    });
    const writable = new WritableStream<Uint8Array>({ write: (chunk) => this.#onWrite(chunk) });
    return {
      readable,
      writable,
      opened: Promise.resolve(),
      close: () => Promise.resolve(),
      startTls: () => {
        this.#options.startTls();
        return this.socket();
      },
    };
  }

  /** Tells the library a reply: its code, and what of EHLO's keywords it is to know. */
  reply(code: number, keywords: readonly string[] = []): void {
    this.#isBodyDue = code === BODY_WANTED;
    const lines = ["guard", ...keywords];
    const text = lines.map((line, at) => `${code}${at === lines.length - 1 ? " " : "-"}${line}\r\n`).join("");
    if (this.#ended === null) this.#replies?.enqueue(encoder.encode(text));
  }

  /** Whatever the library waits for or writes from now on fails. */
  end(): void {
    if (this.#ended !== null) return;
    this.#ended = new Error("The session has ended");
    this.#replies?.error(this.#ended);
  }

  async #onWrite(chunk: Uint8Array): Promise<void> {
    if (this.#ended !== null) throw this.#ended;
    const act = this.#actOf(decoder.decode(chunk));
    this.#isBodyDue = false;
    if (act === null) {
      this.#options.refuse();
      throw new TypeError("worker-mailer said something unforeseen");
    }
    await this.#options.perform(act);
  }

  #actOf(text: string): LibraryAct | null {
    if (this.#isBodyDue) return text.endsWith(BODY_END) ? "body" : null;
    return Object.hasOwn(LIBRARY_LINES, text) ? (LIBRARY_LINES[text] ?? null) : null;
  }
}

/** RFC 5321 4.2.2: start mail input. */
const BODY_WANTED = 354;
