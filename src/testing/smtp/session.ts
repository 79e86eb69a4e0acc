import { startAuth, type Turn } from "./auth.ts";
import type { ReceivedMessage, ServerStep, SmtpTestServerOptions } from "./options.ts";

/** Runs when the first reply of a step is complete and its code has this first digit. */
export type Effects = Readonly<Partial<Record<"2" | "3", () => void>>>;

/** The connection below a session. */
export interface Wire {
  readonly isTls: boolean;
  /** Bursts of input so far. */
  readonly flights: number;
  /** Adds a reply. */
  reply(...lines: readonly string[]): void;
  /** Replies to a step: by the script, or by `answer`. The reply's code decides which effect it has. */
  perform(step: ServerStep, answer: () => void, effects?: Effects): void;
  hasScript(step: ServerStep): boolean;
  /** Reads up to `CRLF.CRLF` next. */
  readBody(onBody: (bytes: Uint8Array) => void): void;
  /** Reads so many octets next. */
  readChunk(octets: number, onChunk: (bytes: Uint8Array) => void): void;
  startTls(): void;
  end(): void;
}

/** Where a message goes whose end arrived. */
export interface MessageLog {
  /** @returns what to call when it is accepted. */
  add(message: ReceivedMessage): () => void;
}

/** RFC 5321 3.3: from MAIL to the reply to the end of the message. */
interface Transaction {
  readonly from: string;
  readonly firstFlight: number;
  readonly recipients: string[];
  readonly chunks: Uint8Array[];
}

/** The commands of one connection: what each means, and its proper reply. */
export class Session {
  readonly #wire: Wire;
  readonly #options: SmtpTestServerOptions;
  readonly #log: MessageLog;
  #turn: Turn | null = null;
  #isAuthenticated = false;
  #transaction: Transaction | null = null;

  constructor(wire: Wire, options: SmtpTestServerOptions, log: MessageLog) {
    this.#wire = wire;
    this.#options = options;
    this.#log = log;
  }

  greet(): void {
    this.#wire.perform("greeting", () => this.#wire.reply("220 mx.test ESMTP"));
  }

  /** Forgets everything (RFC 3207 4.2). */
  restart(): void {
    this.#turn = null;
    this.#isAuthenticated = false;
    this.#transaction = null;
  }

  onLine(line: string): void {
    if (typeof this.#turn === "object" && this.#turn !== null) {
      this.#continueAuth(this.#turn.next(line));
      return;
    }
    const verb = line.split(/[ :]/, 1)[0]?.toUpperCase() ?? "";
    const command = Object.hasOwn(this.#commands, verb) ? this.#commands[verb] : undefined;
    if (command === undefined || (verb === "BDAT" && !this.#offersChunking)) {
      this.#wire.reply("500 5.5.2 Unknown command");
    } else command(line);
  }

  readonly #commands: Readonly<Record<string, (line: string) => void>> = {
    EHLO: () =>
      this.#wire.perform(this.#wire.isTls ? "ehlo-tls" : "ehlo", () => this.#listExtensions(), {
        2: () => this.#reset(),
      }),
    HELO: () => this.#perform("helo", "250 mx.test", () => this.#reset()),
    STARTTLS: () => this.#perform("starttls", "220 2.0.0 Go ahead", () => this.#wire.startTls()),
    AUTH: (line) => this.#onAuth(line),
    MAIL: (line) => this.#onMail(line),
    RCPT: (line) => this.#onRcpt(line),
    DATA: () => this.#onData(),
    BDAT: (line) => this.#onBdat(line),
    RSET: () => this.#perform("rset", "250 2.0.0 Ok", () => this.#reset()),
    NOOP: () => this.#perform("noop", "250 2.0.0 Ok"),
    QUIT: () => this.#perform("quit", "221 2.0.0 Bye", () => this.#wire.end()),
  };

  #perform(step: ServerStep, reply: string, onAccepted?: () => void): void {
    const effects: Effects = onAccepted === undefined ? {} : { 2: onAccepted };
    this.#wire.perform(step, () => this.#wire.reply(reply), effects);
  }

  #reset(): void {
    this.#transaction = null;
  }

  get #extensions(): readonly string[] {
    return this.#options.extensions ?? DEFAULT_EXTENSIONS;
  }

  get #offersChunking(): boolean {
    return this.#extensions.some((keyword) => keyword.toUpperCase() === "CHUNKING");
  }

  #listExtensions(): void {
    const { security, users, mechanisms = DEFAULT_MECHANISMS } = this.#options;
    const lines = ["mx.test", ...this.#extensions];
    if (security === "starttls" && !this.#wire.isTls) lines.push("STARTTLS");
    if (users !== undefined) lines.push(`AUTH ${mechanisms.join(" ")}`);
    this.#wire.reply(...lines.map((line, index) => `250${index === lines.length - 1 ? " " : "-"}${line}`));
  }

  #onAuth(line: string): void {
    const [, mechanism = "", initial] = line.split(" ");
    const turn = startAuth(mechanism, initial, this.#options.users ?? {});
    if (turn === null) this.#perform("auth", "504 5.5.4 Unknown mechanism");
    else this.#wire.perform("auth", () => this.#continueAuth(turn), this.#authEffects(turn));
  }

  /** A 334 asks for another response, a 235 ends the exchange (RFC 4954 4). */
  #authEffects(turn: Turn): Effects {
    return {
      2: () => {
        this.#isAuthenticated = true;
      },
      3: () => {
        this.#turn = typeof turn === "object" ? turn : { challenge: "", next: () => turn };
      },
    };
  }

  #continueAuth(turn: Turn): void {
    const previous = this.#turn;
    this.#turn = null;
    if (typeof turn === "object") {
      this.#turn = turn;
      this.#wire.reply(`334 ${turn.challenge}`);
      return;
    }
    const reply = turn ? "235 2.7.0 Welcome" : "535 5.7.8 Credentials are invalid";
    const effects = this.#authEffects(previous ?? turn);
    this.#wire.perform("credentials", () => this.#wire.reply(reply), effects);
  }

  #onMail(line: string): void {
    // RFC 5321 4.1.4.
    if (this.#transaction !== null) {
      this.#perform("mail", "503 5.5.1 Sender already given");
      return;
    }
    const firstFlight = this.#wire.flights;
    this.#perform("mail", "250 2.1.0 Ok", () => {
      this.#transaction = { from: pathOf(line), firstFlight, recipients: [], chunks: [] };
    });
  }

  #onRcpt(line: string): void {
    const transaction = this.#transaction;
    if (transaction === null || transaction.chunks.length > 0) this.#perform("rcpt", "503 5.5.1 MAIL first");
    else this.#perform("rcpt", "250 2.1.5 Ok", () => void transaction.recipients.push(pathOf(line)));
  }

  #onData(): void {
    const transaction = this.#transaction;
    const isReady = transaction !== null && transaction.recipients.length > 0;
    if (!isReady) this.#perform("data", "554 5.5.1 No valid recipients");
    // RFC 3030 2: never both in one transaction.
    else if (transaction.chunks.length > 0) this.#perform("data", "503 5.5.1 BDAT was used");
    else {
      this.#wire.perform("data", () => this.#wire.reply("354 End with ."), {
        3: () => this.#wire.readBody((bytes) => this.#onBody(transaction, bytes)),
      });
    }
  }

  #onBody(transaction: Transaction, bytes: Uint8Array): void {
    this.#reset();
    transaction.chunks.push(bytes);
    const effects = { 2: this.#logMessage(transaction, "DATA") };
    this.#wire.perform("body", () => this.#wire.reply("250 2.0.0 Queued"), effects);
  }

  /** RFC 3030 2. */
  #onBdat(line: string): void {
    const [, size, last] = /^BDAT (\d+)( LAST)?\s*$/i.exec(line) ?? [];
    const isMissing = (this.#transaction?.recipients.length ?? 0) === 0;
    if (size === undefined) this.#perform("bdat", "501 5.5.4 Expected BDAT size [LAST]");
    else if (this.#options.bdat === "execute" && (isMissing || this.#wire.hasScript("bdat"))) {
      this.#perform("bdat", NO_RECIPIENTS);
    } else this.#wire.readChunk(Number(size), (bytes) => this.#onChunk(bytes, last !== undefined));
  }

  #onChunk(bytes: Uint8Array, isLast: boolean): void {
    const transaction = this.#transaction;
    if (transaction === null || transaction.recipients.length === 0) {
      if (this.#options.bdat !== "keep-sender") this.#reset();
      this.#perform("bdat", this.#options.bdat === "accept" ? "250 2.0.0 Queued" : NO_RECIPIENTS);
      return;
    }
    // A rejected chunk ends the transaction (RFC 3030 2).
    this.#reset();
    transaction.chunks.push(bytes);
    if (!isLast) {
      this.#perform("bdat", `250 2.0.0 ${bytes.length} octets`, () => {
        this.#transaction = transaction;
      });
      return;
    }
    const effects = { 2: this.#logMessage(transaction, "BDAT") };
    const accept = () => this.#wire.reply("250 2.0.0 Queued");
    this.#wire.perform("bdat", () => this.#wire.perform("body", accept, effects), effects);
  }

  #logMessage(transaction: Transaction, via: "DATA" | "BDAT"): () => void {
    const { from, firstFlight, recipients, chunks } = transaction;
    const bytes = Buffer.concat(chunks);
    return this.#log.add({
      ...{ from, recipients, bytes, via, messageId: messageIdOf(bytes) },
      isTls: this.#wire.isTls,
      isAuthenticated: this.#isAuthenticated,
      flights: this.#wire.flights - firstFlight + 1,
    });
  }
}

/** Listed unless the options name others. */
const DEFAULT_EXTENSIONS = ["PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 10485760"] as const;
const DEFAULT_MECHANISMS = ["PLAIN", "LOGIN", "CRAM-MD5"] as const;
const NO_RECIPIENTS = "503 5.5.1 No valid recipients";

/** The path between angle brackets, which the wire carries in UTF-8. */
function pathOf(line: string): string {
  return Buffer.from(/<([^>]*)>/.exec(line)?.[1] ?? "", "latin1").toString("utf8");
}

function messageIdOf(bytes: Buffer): string | null {
  const text = bytes.toString("latin1");
  const headers = text.slice(0, text.indexOf("\r\n\r\n") + 2);
  return /^Message-ID:\s*(<[^>]*>)/im.exec(headers)?.[1] ?? null;
}
