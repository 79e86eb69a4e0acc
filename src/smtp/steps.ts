import type { Phase } from "../domain/delivery.ts";

/** Something that the server answers with one reply. */
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

/** `unexpected`: a reply that has no meaning for the step, so the conversation is out of step. */
export type Verdict = "accepted" | "rejected" | "unexpected";

interface StepRule {
  readonly phase: Phase;
  /** The replies that let the conversation go on. Exact where the RFC is, so that a doubled reply is noticed. */
  readonly accepts: (code: number) => boolean;
}

const isPositive = (code: number): boolean => code >= 200 && code < 300;

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
