import { type Behavior, behaviorOf, chooseBehavior, chooseUnasked, type UnaskedClass } from "./behaviors.ts";
import type { Choices } from "./choices.ts";
import { unstuff, type Written } from "./client-bytes.ts";
import { stateOf } from "./coverage.ts";
import type { Incidents } from "./incidents.ts";
import type { ModelStep } from "./knowledge.ts";
import { mechanismOf } from "./rules-of-auth.ts";
import type { Scenario } from "./scenario.ts";

/** A message that the server accepted. */
export interface Accepted {
  readonly from: string;
  readonly recipients: readonly string[];
  /** As it arrived, without dot-stuffing, in latin1. */
  readonly text: string;
}

type Effects = Readonly<Partial<Record<"2" | "3", () => void>>>;

/** Challenges of each mechanism. PLAIN has one if the command has no initial response. */
const CHALLENGES: Readonly<Record<string, readonly string[]>> = {
  PLAIN: ["334"],
  LOGIN: ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"],
  "CRAM-MD5": ["334 PDE4OTYuNjk3MTcwOTUyQG14PiA="],
  XOAUTH2: ["334 "],
  OAUTHBEARER: ["334"],
};
/** A challenge that rejects an access token (RFC 7628 3.2.2): JSON, and texts that are none. */
const REJECTIONS = ["334 eyJzdGF0dXMiOiI0MDAifQ==", "334 eyJzdGF0dXMiOi", "334"] as const;

/** A server that handles each command as the choices say, and keeps the messages that it really accepted. */
export class ModelServer {
  readonly #scenario: Scenario;
  readonly #choices: Choices;
  readonly #incidents: Incidents;
  readonly #isCheck: () => boolean;
  #transaction: { readonly from: string; readonly recipients: string[] } | null = null;
  #isTls: boolean;
  #challenges: string[] = [];

  readonly accepted: Accepted[] = [];
  /** Bytes on their way to the client. */
  outbox: Buffer = Buffer.alloc(0);
  /** Whether the client receives nothing after the outbox. */
  isGone = false;
  /** Whether it has sent one reply to each command, in order. */
  isInOrder = true;

  /** @param isCheck whether the client is checking addresses. */
  constructor(scenario: Scenario, choices: Choices, incidents: Incidents, isCheck: () => boolean) {
    this.#scenario = scenario;
    this.#choices = choices;
    this.#incidents = incidents;
    this.#isCheck = isCheck;
    this.#isTls = scenario.security === "implicit";
    this.#perform("greeting", "220 mx.test ESMTP");
  }

  secure(): void {
    this.#isTls = true;
  }

  /** Sends bytes without a command. */
  interrupt(unaskedClass: UnaskedClass): void {
    this.#carryOut(chooseUnasked(this.#choices, unaskedClass), {});
  }

  /** Takes bytes on their way to the client. Without a number, all of them. */
  take(octets = this.outbox.length): Uint8Array {
    const taken = this.outbox.subarray(0, octets);
    this.outbox = this.outbox.subarray(octets);
    return taken;
  }

  onWritten(written: Written): void {
    if (this.isGone) return;
    if (written.kind === "command") this.#onCommand(written.step, written.line);
    else if (written.kind === "chunk") this.#onChunk(written.text);
    else if (written.isEnd) this.#onMessage(unstuff(written.text));
  }

  #onCommand(step: ModelStep, line: string): void {
    if (step === "ehlo") this.#perform(step, this.#extensions(), { 2: () => this.#reset() });
    else if (step === "auth") this.#onAuth(line);
    else if (step === "response") this.#continueAuth(step);
    else if (step === "mail") this.#onMail(pathOf(line));
    else if (step === "rcpt") this.#onRcpt(pathOf(line));
    else if (step === "data") this.#perform(step, this.#hasRecipients ? "354 Go on" : "554 No recipients");
    else if (step === "rset") this.#perform(step, "250 Ok", { 2: () => this.#reset() });
    else if (step === "starttls") this.#perform(step, "220 Go ahead");
    else if (step === "quit") {
      this.#perform(step, "221 Bye");
      this.isGone = true;
    } else this.#perform(step, "250 Ok");
  }

  #extensions(): string {
    const { clear, tls } = this.#scenario;
    // The first line is a name and a greeting (RFC 5321 4.1.1.1), whatever its text.
    const name = this.#choices.pick([
      "mx.test SIZE 10 PIPELINING CHUNKING AUTH",
      "SIZE 10",
      "PIPELINING",
      "AUTH PLAIN",
    ]);
    const lines = [name, ...(this.#isTls ? tls : clear)];
    return lines.map((line, index) => `250${index === lines.length - 1 ? " " : "-"}${line}`).join("\r\n");
  }

  #onAuth(line: string): void {
    const challenges = CHALLENGES[mechanismOf(line)] ?? [];
    this.#challenges = line.split(" ").length > 2 ? [] : [...challenges];
    const isToken = /OAUTH/.test(mechanismOf(line));
    if (isToken && this.#choices.chance(25)) {
      this.#challenges.push(this.#choices.pick(REJECTIONS), "535 5.7.8 Rejected");
    }
    this.#continueAuth("auth");
  }

  #continueAuth(step: ModelStep): void {
    this.#perform(step, this.#challenges.shift() ?? "235 2.7.0 Welcome");
  }

  #onMail(from: string): void {
    const proper = this.#transaction === null ? "250 2.1.0 Ok" : "503 5.5.1 Sender already given";
    this.#perform("mail", proper, {
      2: () => {
        this.#transaction = { from, recipients: [] };
      },
    });
  }

  #onRcpt(recipient: string): void {
    const proper = this.#transaction === null ? "503 5.5.1 MAIL first" : "250 2.1.5 Ok";
    this.#perform("rcpt", proper, { 2: () => this.#transaction?.recipients.push(recipient) });
  }

  #onMessage(text: string): void {
    const accept = this.#acceptance(text);
    this.#reset();
    this.#perform("message", "250 2.0.0 Queued", { 2: accept });
  }

  #onChunk(text: string): void {
    const { chunks } = this.#scenario;
    const hasRecipients = this.#hasRecipients;
    const accept = this.#acceptance(text);
    if (chunks !== "keep-sender") this.#reset();
    const proper = hasRecipients || chunks === "accept" ? "250 2.0.0 Queued" : "503 5.5.1 No recipients";
    const code = this.#perform("bdat", proper, {
      2: () => {
        if (hasRecipients) accept();
        this.#reset();
      },
    });
    if (code !== null && code >= 400 && chunks === "execute") this.#execute(text);
  }

  /** Runs the lines of a chunk as commands. */
  #execute(text: string): void {
    this.isInOrder = false;
    for (const line of text.slice(0, 200).split("\r\n")) {
      const isKnown = ["NOOP", "RSET", "QUIT"].includes(line);
      if (!this.isGone) this.#write(isKnown ? "250 2.0.0 Ok\r\n" : "500 5.5.2 What\r\n");
      if (line === "QUIT") this.isGone = true;
    }
  }

  #acceptance(text: string): () => void {
    const { from, recipients } = this.#transaction ?? { from: "", recipients: [] };
    return () => void this.accepted.push({ from, recipients: [...recipients], text });
  }

  get #hasRecipients(): boolean {
    return (this.#transaction?.recipients.length ?? 0) > 0;
  }

  #reset(): void {
    this.#transaction = null;
  }

  /** @returns the code of the reply. */
  #perform(step: ModelStep, proper: string, effects: Effects = {}): number | null {
    const { trouble } = this.#scenario;
    const incident = this.#incidents.take(stateOf(step, this.#isTls, this.#isCheck()));
    const behavior =
      incident === null
        ? chooseBehavior(step, proper, trouble, this.#choices)
        : behaviorOf(incident, proper, this.#choices);
    return this.#carryOut(behavior, effects);
  }

  #carryOut({ text, code, isGone, isOutOfOrder }: Behavior, effects: Effects): number | null {
    const digit = String(code)[0];
    if (digit === "2" || digit === "3") effects[digit]?.();
    this.#write(text);
    this.isGone ||= isGone === true;
    this.isInOrder &&= isOutOfOrder !== true;
    return code;
  }

  #write(text: string): void {
    this.outbox = Buffer.concat([this.outbox, Buffer.from(text, "latin1")]);
  }
}

function pathOf(line: string): string {
  return /<(.*)>/.exec(line)?.[1] ?? "";
}
