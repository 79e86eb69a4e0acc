import { ModelReader, type ModelReply } from "./reply-lines.ts";

/** A command to which the server replies once. */
export type ModelStep =
  | "greeting"
  | "ehlo"
  | "helo"
  | "starttls"
  | "auth"
  | "response"
  | "rset"
  | "mail"
  | "rcpt"
  | "data"
  | "message"
  | "bdat"
  | "quit";

export interface Entry {
  readonly step: ModelStep;
  readonly line: string;
  /** Index of the task that wrote it. 0 is the opening. */
  readonly work: number;
  /** Number of server chunks that had arrived when it was written. */
  readonly afterChunk: number;
  reply: ModelReply | null;
}

/** One reply, or bytes that are none, as the client received them. */
export interface Arrival {
  readonly chunk: number;
  readonly work: number;
  /** The command of the reply, by its position. `null`: none was due. */
  readonly entry: Entry | null;
  /** `null`: bytes that are not a reply. */
  readonly reply: ModelReply | null;
}

/** Codes that let the conversation go on. Every other one below 400 is unexpected. */
const EXPECTED: Readonly<Record<ModelStep, RegExp>> = {
  greeting: /^220$/,
  ehlo: /^250$/,
  helo: /^250$/,
  starttls: /^220$/,
  auth: /^(235|334)$/,
  response: /^(235|334)$/,
  rset: /^2/,
  mail: /^2/,
  rcpt: /^2/,
  data: /^354$/,
  message: /^2/,
  bdat: /^2/,
  quit: /^2/,
};

/**
 * The knowledge of a client: the commands written and the replies delivered, matched in order (RFC 2920 3.1). The rules
 * and the expected outcomes use it.
 */
export class Knowledge {
  readonly entries: Entry[] = [];
  readonly arrivals: Arrival[] = [];
  #reader = new ModelReader();
  #chunks = 0;

  work = 0;
  keywords: ReadonlySet<string> = new Set();
  mechanisms: readonly string[] = [];
  isTls: boolean;
  isHandshaking = false;
  /** Whether EHLO or HELO was accepted, under TLS if there is TLS. */
  isIntroduced = false;
  isLoggedIn = false;
  /**
   * The state of a doubt: after the flight of a message by BDAT, more replies than commands arrived together, and all of
   * them accept. Any of them may be the one to BDAT, or one that follows, until the 221 to QUIT. `null`: no doubt.
   */
  doubt: "open" | "accepted" | "not accepted" | null = null;
  /** Whether the start of a reply is all that raised the doubt. If it is that of a 421, nothing contradicts the message. */
  #isDoubtOfRest = false;
  /** Reason why nothing may be written any more. `null` if something may. */
  silence: "out of step" | "421" | "lost" | null = null;

  constructor(isTls: boolean) {
    this.isTls = isTls;
    this.write("greeting", "");
  }

  get outstanding(): readonly Entry[] {
    return this.entries.filter(({ reply }) => reply === null);
  }

  /** The next command whose reply is due. */
  get due(): Entry | null {
    return this.entries.find(({ reply }) => reply === null) ?? null;
  }

  get last(): Entry | null {
    return this.entries.at(-1) ?? null;
  }

  /** The latest command of the current task with this step. */
  of(step: ModelStep): Entry | null {
    return this.entries.findLast((entry) => entry.step === step && entry.work === this.work) ?? null;
  }

  /** Whether MAIL or RCPT of the current task was rejected. */
  get isRejected(): boolean {
    return [this.of("mail"), this.of("rcpt")].some((entry) => (entry?.reply?.code ?? 0) >= 400);
  }

  has(step: ModelStep): boolean {
    return this.of(step) !== null;
  }

  write(step: ModelStep, line: string): void {
    this.entries.push({ step, line, work: this.work, afterChunk: this.#chunks, reply: null });
  }

  /** @returns the replies that arrived, in order. */
  deliver(chunk: Uint8Array): readonly Arrival[] {
    this.#chunks++;
    const from = this.arrivals.length;
    for (const reply of this.#reader.push(chunk)) {
      const entry = this.isHandshaking ? null : this.due;
      if (this.doubt === "open") this.#onDoubted(reply);
      else if (entry === null) this.#onSurplus(reply);
      else this.#onReply(entry, reply);
      this.#arrive(entry, reply);
    }
    const isEarly = this.#reader.hasRest && this.due === null;
    if (this.#reader.isBroken || (isEarly && this.doubt !== "open")) {
      this.#onSurplus(null);
      this.#arrive(this.due, null);
    }
    return this.arrivals.slice(from);
  }

  /** @param reply `null`: the start of one, or bytes that are none. */
  #onSurplus(reply: ModelReply | null): void {
    const mayDoubt = this.doubt !== null || this.#isUndisputed;
    this.silence = "out of step";
    if (!mayDoubt) return;
    if (this.#reader.isBroken) this.doubt = this.doubt === "accepted" ? "accepted" : "not accepted";
    else if (this.doubt === null && (reply === null || isPositive(reply))) {
      this.doubt = "open";
      this.#isDoubtOfRest = reply === null;
      this.silence = null;
    }
  }

  /** Whether BDAT of this task was accepted by the latest chunk, in which no surplus reply but 421 followed so far. */
  get #isUndisputed(): boolean {
    const entry = this.of("bdat");
    const latest = this.arrivals.filter(({ chunk }) => chunk === this.#chunks);
    const index = latest.findIndex((arrival) => arrival.entry === entry);
    if (entry === null || index < 0 || this.isRejected || !isPositive(entry.reply)) return false;
    return latest.slice(index + 1).every(({ reply }) => reply?.code === 421);
  }

  #onDoubted(reply: ModelReply): void {
    const { due } = this;
    const isClosing = this.#isDoubtOfRest && reply.code === 421;
    this.#isDoubtOfRest = false;
    if (isPositive(reply) && (due === null || reply.code !== 221)) return;
    this.doubt = isPositive(reply) || isClosing ? "accepted" : "not accepted";
    this.silence = "out of step";
    if (due !== null) due.reply = reply;
  }

  secure(): void {
    this.isTls = true;
    this.isHandshaking = false;
    this.isIntroduced = false;
    this.keywords = new Set();
    this.mechanisms = [];
    this.#reader = new ModelReader();
  }

  #arrive(entry: Entry | null, reply: ModelReply | null): void {
    this.arrivals.push({ chunk: this.#chunks, work: entry?.work ?? this.work, entry, reply });
  }

  #onReply(entry: Entry, reply: ModelReply): void {
    entry.reply = reply;
    const { code } = reply;
    if (isOutOfStep(entry.step, code)) this.silence = "out of step";
    if (code === 421) this.silence ??= "421";
    if (code >= 400 || isOutOfStep(entry.step, code)) return;
    if (entry.step === "ehlo") this.#learn(reply.lines.slice(1));
    if (entry.step === "helo") this.#learn([]);
    if (entry.step === "starttls") this.isHandshaking = true;
    if (code === 235) this.isLoggedIn = true;
  }

  /** RFC 5321 4.1.1.1: a keyword in any case, then its parameters. */
  #learn(lines: readonly string[]): void {
    this.isIntroduced = true;
    const words = lines.map((line) => line.toUpperCase().split(/[ =]/));
    this.keywords = new Set(words.map(([keyword = ""]) => keyword));
    // Some servers list AUTH twice, the second time in an old spelling.
    this.mechanisms = words.flatMap(([keyword, ...names]) => (keyword === "AUTH" ? names : []));
  }
}

/** Whether a reply has no meaning for its command. */
export function isOutOfStep(step: ModelStep, code: number): boolean {
  return code < 400 && !EXPECTED[step].test(String(code));
}

/** Whether a reply accepts. */
export function isPositive(reply: ModelReply | null): boolean {
  return reply !== null && reply.code < 300;
}
