import type { Phase, SmtpReply } from "../domain/delivery.ts";
import { type RejectionContext, rejection } from "../smtp/failures.ts";
import type { Attempt } from "./attempt.ts";
import { type Capabilities, NO_CAPABILITIES, parseCapabilities } from "./capabilities.ts";
import { DeliveryError } from "./delivery-error.ts";
import { Dialogue, type Step } from "./dialogue.ts";
import { presentReply } from "./replies.ts";
import { type RawReply, ReplyReader } from "./reply-reader.ts";

export interface MonitorOptions {
  readonly wantsStartTls: boolean;
  readonly redact: (text: string) => string;
  readonly rejectionContext: () => RejectionContext;
  /** Called with each reply that was due, after it was judged and if the session goes on. */
  readonly onReply?: (step: Step, reply: RawReply) => void;
  /** Called at most once with why the session cannot go on; null: no mail was on its way. */
  readonly hangUp: (reason: DeliveryError | null) => void;
}

/**
 * Reads along in one session, ahead of the library that holds the dialogue: bounds and judges each reply before
 * the library acts on it, keeps the attempt's phase, and asks to hang up on whatever was not due.
 */
export class Monitor {
  readonly #options: MonitorOptions;
  readonly #dialogue = new Dialogue();
  #reader = new ReplyReader();
  #isDeaf = false;
  #isSpoiled = false;
  #isBodyAnswered = false;

  /** The mail on its way. */
  attempt: Attempt | null = null;
  /** What the server offers, as said last. */
  capabilities: Capabilities = NO_CAPABILITIES;
  /** The first command that was refused. */
  refusal: DeliveryError | null = null;
  lastReply: SmtpReply | null = null;
  /** The server said 220 to STARTTLS: what follows is a handshake, then a new dialogue. */
  hasAgreedTls = false;

  constructor(options: MonitorOptions) {
    this.#options = options;
  }

  /** Whether the dialogue is where the next mail may begin. */
  get isClean(): boolean {
    return !this.#isSpoiled && !this.#isDeaf && this.refusal === null && !this.#dialogue.isAwaiting;
  }

  /** From here on whatever comes is of no interest. */
  stop(): void {
    this.#isDeaf = true;
  }

  begin(attempt: Attempt): void {
    this.attempt = attempt;
    this.#isBodyAnswered = false;
  }

  sentLine(line: string): void {
    this.#dialogue.sent(line);
    this.#enterPhase();
  }

  sentBody(): void {
    this.#dialogue.sentBody();
    this.attempt?.endBody();
  }

  receive(chunk: Uint8Array): void {
    if (this.#isDeaf) return;
    const { replies, isSmtp } = this.#reader.push(chunk);
    for (const reply of replies) this.#onReply(reply);
    // A reply that begins before its command was sent is as wrong as a whole one.
    const isEarly = this.#reader.isPartial && !this.#dialogue.isAwaiting;
    if (!this.#isDeaf && (!isSmtp || isEarly)) this.#onNonsense(null);
  }

  #onReply(raw: RawReply): void {
    if (this.#isDeaf) return;
    const reply = presentReply(raw, this.#options.redact);
    const received = this.#dialogue.received(raw.code);
    if (received?.verdict === "accepted") this.#onAccepted(received.step, raw, reply);
    else if (received?.verdict === "refused") this.#onRefused(received.step, received.phase, reply);
    else if (received === null && this.#isRefusedEarly(reply)) this.#onRefused("body", "data", reply);
    else this.#onNonsense(reply);
    if (received !== null && !this.#isDeaf) this.#options.onReply?.(received.step, raw);
  }

  #onRefused(step: Step, phase: Phase, reply: SmtpReply): void {
    const isEarly = step === "body" && !this.attempt?.isBodySent;
    this.#isBodyAnswered = step === "body";
    this.refusal ??= new DeliveryError(rejection(phase, reply, this.#options.rejectionContext()));
    // RFC 5321 3.8: after 421 the server closes, and answers nothing that is still due.
    if (reply.code === 421 || isEarly) this.#hangUp(this.refusal);
    else this.#enterPhase();
  }

  /** Some servers refuse a body while it still comes. */
  #isRefusedEarly(reply: SmtpReply): boolean {
    return reply.code >= 400 && this.attempt?.hasBody === true && !this.#isBodyAnswered;
  }

  #onAccepted(step: Step, raw: RawReply, reply: SmtpReply): void {
    this.lastReply = reply;
    if (step === "body") this.#isBodyAnswered = true;
    if (step === "helo") this.refusal = null;
    if (step === "starttls") this.hasAgreedTls = true;
    if (step === "data" && this.refusal === null) this.attempt?.beginBody();
    if (step === "ehlo") this.#onCapabilities(raw.lines);
    this.#enterPhase();
  }

  #onCapabilities(lines: readonly string[]): void {
    this.capabilities = parseCapabilities(lines);
    if (!this.#options.wantsStartTls || this.hasAgreedTls || this.capabilities.keywords.has("STARTTLS"))
      return;
    this.#hangUp(this.attempt?.failure("tls_not_offered", null, "starttls") ?? null);
  }

  #onNonsense(reply: SmtpReply | null): void {
    // The mail was answered; only this connection is of no more use.
    if (this.#isBodyAnswered) this.#isSpoiled = true;
    else this.#hangUp(this.attempt?.failure("protocol", reply) ?? null);
  }

  #enterPhase(): void {
    const phase = this.#dialogue.phase;
    if (phase !== null) this.attempt?.enter(phase);
  }

  #hangUp(reason: DeliveryError | null): void {
    this.#isDeaf = true;
    this.#options.hangUp(reason);
  }
}
