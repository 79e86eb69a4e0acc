import { Buffer } from "node:buffer";
import { Authentication } from "./authentication.ts";
import type { MessageLog } from "./log.ts";
import type { LoginAttempt, ServerStep, SmtpTestServerOptions } from "./options.ts";
import type { Policy, Rejection } from "./policy.ts";
import { mechanismsOf } from "./sasl.ts";
import type { Effects, SocketIo } from "./socket-io.ts";

/** RFC 5321 3.3: from MAIL to the reply to the end of the message. */
interface Transaction {
  readonly from: string;
  readonly firstFlight: number;
  readonly recipients: string[];
  readonly chunks: Uint8Array[];
}

/** Shared by all sessions of a server, except `connection`. */
export interface SessionDeps {
  readonly options: SmtpTestServerOptions;
  readonly policy: Policy;
  readonly log: MessageLog;
  readonly logins: LoginAttempt[];
  /** Index of the connection. */
  readonly connection: number;
}

/** The commands of one connection: the effect of each and its proper reply. */
export class Session {
  readonly #io: SocketIo;
  readonly #deps: SessionDeps;
  #authentication: Authentication;
  #transaction: Transaction | null = null;
  #accepted = 0;

  constructor(io: SocketIo, deps: SessionDeps) {
    this.#io = io;
    this.#deps = deps;
    this.#authentication = new Authentication(io, deps);
  }

  greet(): void {
    this.#perform("greeting", this.#deps.policy.rejectConnection(this.#io) ?? "220 mx.test ESMTP");
  }

  /** Forgets the client (RFC 3207 4.2). */
  restart(): void {
    this.#authentication = new Authentication(this.#io, this.#deps);
    this.#transaction = null;
  }

  onLine(line: string): void {
    if (this.#authentication.isWaiting) {
      this.#authentication.onResponse(line);
      return;
    }
    const verb = line.split(/[ :]/, 1)[0]?.toUpperCase() ?? "";
    const command = Object.hasOwn(this.#commands, verb) ? this.#commands[verb] : undefined;
    if (command === undefined || (verb === "BDAT" && !this.#offersChunking)) {
      this.#io.reply("500 5.5.2 Unknown command");
    } else command(line);
  }

  readonly #commands: Readonly<Record<string, (line: string) => void>> = {
    EHLO: () =>
      this.#io.perform(this.#io.isTls ? "ehlo-tls" : "ehlo", () => this.#listExtensions(), {
        2: () => this.#reset(),
      }),
    HELO: () => this.#perform("helo", "250 mx.test", () => this.#reset()),
    STARTTLS: () => this.#onStartTls(),
    AUTH: (line) => this.#authentication.onCommand(line),
    MAIL: (line) => this.#onMail(line),
    RCPT: (line) => this.#onRcpt(line),
    DATA: () => this.#onData(),
    BDAT: (line) => this.#onBdat(line),
    RSET: () => this.#perform("rset", "250 2.0.0 Ok", () => this.#reset()),
    NOOP: () => this.#perform("noop", "250 2.0.0 Ok"),
    QUIT: () => this.#perform("quit", "221 2.0.0 Bye", () => this.#io.end()),
  };

  #perform(step: ServerStep, reply: string | Rejection, onAccepted?: () => void): void {
    const effects: Effects = onAccepted === undefined ? {} : { 2: onAccepted };
    const proper = () => (typeof reply === "string" ? this.#io.reply(reply) : this.#io.reject(reply));
    this.#io.perform(step, proper, effects);
  }

  #reset(): void {
    this.#transaction = null;
  }

  get #extensions(): readonly string[] {
    const { extensions = DEFAULT_EXTENSIONS, limits } = this.#deps.options;
    if (limits?.maxMessageBytes === undefined) return extensions;
    return [...extensions.filter((line) => !/^SIZE\b/i.test(line)), `SIZE ${limits.maxMessageBytes}`];
  }

  get #offersChunking(): boolean {
    return this.#extensions.some((keyword) => keyword.toUpperCase() === "CHUNKING");
  }

  #listExtensions(): void {
    const { options } = this.#deps;
    const { security, mechanisms = mechanismsOf(options) } = options;
    const lines = ["mx.test", ...this.#extensions];
    if (security === "starttls" && !this.#io.isTls) lines.push("STARTTLS");
    if (mechanismsOf(options).length > 0) lines.push(`AUTH ${mechanisms.join(" ")}`);
    this.#io.reply(...lines.map((line, index) => `250${index === lines.length - 1 ? " " : "-"}${line}`));
  }

  #onStartTls(): void {
    const isPossible = this.#deps.options.security === "starttls" && !this.#io.isTls;
    if (isPossible) this.#perform("starttls", "220 2.0.0 Go ahead", () => this.#io.startTls());
    else this.#perform("starttls", "503 5.5.1 TLS is not possible");
  }

  #onMail(line: string): void {
    // RFC 5321 4.1.4: one transaction at a time.
    if (this.#transaction !== null) {
      this.#perform("mail", "503 5.5.1 Sender already given");
      return;
    }
    const firstFlight = this.#io.flights;
    const rejection = this.#deps.policy.rejectSender(line, this.#accepted);
    this.#perform("mail", rejection ?? "250 2.1.0 Ok", () => {
      this.#transaction = { from: pathOf(line), firstFlight, recipients: [], chunks: [] };
    });
  }

  #onRcpt(line: string): void {
    const transaction = this.#transaction;
    if (transaction === null || transaction.chunks.length > 0) {
      this.#perform("rcpt", "503 5.5.1 MAIL first");
      return;
    }
    const recipient = pathOf(line);
    const rejection = this.#deps.policy.rejectRecipient(this.#io.client, transaction.from, recipient);
    this.#perform("rcpt", rejection ?? "250 2.1.5 Ok", () => void transaction.recipients.push(recipient));
  }

  #onData(): void {
    const transaction = this.#transaction;
    if (transaction === null || transaction.recipients.length === 0) {
      this.#perform("data", "554 5.5.1 No valid recipients");
      return;
    }
    // RFC 3030 2: never both in one transaction.
    if (transaction.chunks.length > 0) {
      this.#perform("data", "503 5.5.1 BDAT was used");
      return;
    }
    this.#io.perform("data", () => this.#io.reply("354 End with ."), {
      3: () =>
        this.#io.readBody((bytes) => {
          this.#reset();
          transaction.chunks.push(bytes);
          this.#perform("body", this.#rejectSize(transaction) ?? QUEUED, this.#log(transaction, "DATA"));
        }),
    });
  }

  /** RFC 3030 2. */
  #onBdat(line: string): void {
    const [, size, last] = /^BDAT (\d+)( LAST)?\s*$/i.exec(line) ?? [];
    const isMissing = (this.#transaction?.recipients.length ?? 0) === 0;
    if (size === undefined) this.#perform("bdat", "501 5.5.4 Expected BDAT size [LAST]");
    else if (this.#deps.options.bdat === "execute" && (isMissing || this.#io.hasScript("bdat"))) {
      this.#perform("bdat", NO_RECIPIENTS);
    } else this.#io.readChunk(Number(size), (bytes) => this.#onChunk(bytes, last !== undefined));
  }

  #onChunk(bytes: Uint8Array, isLast: boolean): void {
    const transaction = this.#transaction;
    const { bdat } = this.#deps.options;
    if (transaction === null || transaction.recipients.length === 0) {
      if (bdat !== "keep-sender") this.#reset();
      this.#perform("bdat", bdat === "accept" ? QUEUED : NO_RECIPIENTS);
      return;
    }
    // A rejected chunk ends the transaction (RFC 3030 2).
    this.#reset();
    transaction.chunks.push(bytes);
    const rejection = this.#rejectSize(transaction);
    if (!isLast) {
      this.#perform("bdat", rejection ?? `250 2.0.0 ${bytes.length} octets`, () => {
        this.#transaction = transaction;
      });
      return;
    }
    const onAccepted = this.#log(transaction, "BDAT");
    const end = () => this.#perform("body", rejection ?? QUEUED, onAccepted);
    this.#io.perform("bdat", end, { 2: onAccepted });
  }

  #rejectSize({ chunks }: Transaction): Rejection | null {
    return this.#deps.policy.rejectSize(chunks.reduce((sum, { length }) => sum + length, 0));
  }

  /** Logs a message whose end has arrived. @returns a function that marks it accepted. */
  #log(transaction: Transaction, via: "DATA" | "BDAT"): () => void {
    const { from, firstFlight, recipients, chunks } = transaction;
    const accept = this.#deps.log.add({
      from,
      recipients,
      via,
      connection: this.#deps.connection,
      isTls: this.#io.isTls,
      username: this.#authentication.username,
      isAuthenticated: this.#authentication.username !== null,
      flights: this.#io.flights - firstFlight + 1,
      chunks,
    });
    return () => {
      this.#accepted++;
      this.#deps.policy.onAccepted();
      accept();
    };
  }
}

/** Listed by default. */
const DEFAULT_EXTENSIONS = ["PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 10485760"] as const;
const NO_RECIPIENTS = "503 5.5.1 No valid recipients";
const QUEUED = "250 2.0.0 Queued";

/** Returns the path between angle brackets, decoded from UTF-8. */
function pathOf(line: string): string {
  const path = /<((?:"(?:[^"\\]|\\.)*"|[^>"])*)>/.exec(line)?.[1] ?? "";
  return Buffer.from(path, "latin1").toString("utf8");
}
