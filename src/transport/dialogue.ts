import type { Phase } from "../domain/delivery.ts";

/** Something that a server answers with one reply. */
export type Step =
  | "greeting"
  | "ehlo"
  | "helo"
  | "starttls"
  | "auth"
  | "mail"
  | "rcpt"
  | "data"
  | "body"
  | "quit";

/** `accepted` and `refused` are replies to the step; anything else is nonsense. */
export type Verdict = "accepted" | "refused" | "nonsense";

interface Expectation {
  readonly phase: Phase;
  /** The replies that let the session go on (RFC 5321 4.3.2, RFC 3207 4, RFC 4954 4). */
  readonly accepted: (code: number) => boolean;
}

const isPositive = (code: number): boolean => code >= 200 && code < 300;

/** Exact where it can be: a server that answers twice would shift all later replies by one. */
const EXPECTATIONS: Readonly<Record<Step, Expectation>> = {
  greeting: { phase: "greeting", accepted: (code) => code === 220 },
  ehlo: { phase: "ehlo", accepted: (code) => code === 250 },
  helo: { phase: "ehlo", accepted: (code) => code === 250 },
  starttls: { phase: "starttls", accepted: (code) => code === 220 },
  auth: { phase: "auth", accepted: (code) => code === 235 || code === 334 },
  mail: { phase: "sender", accepted: isPositive },
  rcpt: { phase: "recipient", accepted: isPositive },
  data: { phase: "data", accepted: (code) => code === 354 },
  body: { phase: "data", accepted: isPositive },
  quit: { phase: "data", accepted: isPositive },
};

const STEPS: Readonly<Record<string, Step>> = {
  EHLO: "ehlo",
  HELO: "helo",
  STARTTLS: "starttls",
  MAIL: "mail",
  RCPT: "rcpt",
  DATA: "data",
  // An empty message for a server that took DATA though it refused the recipient (RFC 2920 3.1).
  ".": "body",
  QUIT: "quit",
};

/** LOGIN, the longest of our mechanisms, has three replies. */
const AUTH_REPLIES = 3;

/** What was said and not yet answered, in order (RFC 2920 3.1). */
export class Dialogue {
  readonly #awaited: Step[] = ["greeting"];
  #authReplies = 0;

  get isAwaiting(): boolean {
    return this.#awaited.length > 0;
  }

  /** The phase of the reply that is due first. */
  get phase(): Phase | null {
    const [step] = this.#awaited;
    return step === undefined ? null : EXPECTATIONS[step].phase;
  }

  /** A line was sent; what is no command of the table belongs to an AUTH exchange. */
  sent(line: string): void {
    this.#awaited.push(STEPS[line.split(" ", 1)[0] ?? ""] ?? "auth");
  }

  sentBody(): void {
    this.#awaited.push("body");
  }

  /** A reply came. @returns null if none was due. */
  received(code: number): { readonly step: Step; readonly phase: Phase; readonly verdict: Verdict } | null {
    const step = this.#awaited.shift();
    return step === undefined
      ? null
      : { step, phase: EXPECTATIONS[step].phase, verdict: this.#judge(step, code) };
  }

  #judge(step: Step, code: number): Verdict {
    if (step === "auth" && ++this.#authReplies > AUTH_REPLIES) return "nonsense";
    if (EXPECTATIONS[step].accepted(code)) return "accepted";
    return code >= 400 ? "refused" : "nonsense";
  }
}
