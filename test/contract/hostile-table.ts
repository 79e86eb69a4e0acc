import type { Failure, FailureCode, Phase } from "../../src/domain/delivery.ts";
import type { ServerStep } from "../../src/testing/smtp/index.ts";
import * as mis from "../../src/testing/smtp/index.ts";

/** `bdat`: STARTTLS with CHUNKING, so that sender, recipient and message are sent in one flight. */
export const MODES = ["lockstep", "pipelined", "starttls", "bdat"] as const;
export type Mode = (typeof MODES)[number];

export const PHASES = {
  connect: "greeting",
  greeting: "greeting",
  ehlo: "ehlo",
  starttls: "starttls",
  handshake: "starttls",
  "ehlo-tls": "ehlo",
  auth: "auth",
  mail: "sender",
  rcpt: "recipient",
  data: "data",
  bdat: "data",
  body: "data",
} as const satisfies Partial<Record<ServerStep, Phase>>;
export type Step = keyof typeof PHASES;
export const ALL = Object.keys(PHASES) as Step[];
/** The steps of the flight with BDAT. The steps before it are the same as in mode `starttls`. */
const FLIGHT: readonly Step[] = ["mail", "rcpt", "bdat", "body"];
const TLS_ONLY: readonly Step[] = ["starttls", "handshake", "ehlo-tls"];

/** The steps at which a server can misbehave in a mode. */
export function stepsOf(mode: Mode): readonly Step[] {
  if (mode === "bdat") return FLIGHT;
  return ALL.filter((step) => step !== "bdat" && (mode === "starttls" || !TLS_ONLY.includes(step)));
}
const WITHOUT_REPLY: readonly Step[] = ["connect", "handshake"];

/** The fields of a failure that are compared. */
export type Expected = Partial<Record<keyof Failure, unknown>> & { readonly code: FailureCode };

/** One way to misbehave. */
export interface Row {
  readonly what: string;
  readonly how: mis.Misbehavior;
  readonly expected: FailureCode | Readonly<Partial<Record<Step, FailureCode>>>;
  /** Whether it is a valid final reply. Then the outcome is never unknown. */
  readonly isReply?: boolean;
  readonly retryable?: boolean;
  readonly not?: readonly Step[];
}

const REJECTED = {
  greeting: "refused",
  starttls: "tls_not_offered",
  auth: "auth_rejected",
  mail: "sender_rejected",
  rcpt: "recipient_rejected",
  data: "content_rejected",
  bdat: "content_rejected",
  body: "content_rejected",
} as const;

/** The table: every step is tested with every row. */
export const ROWS: readonly Row[] = [
  { what: "closes", how: mis.close(), expected: "closed" },
  { what: "closes its half", how: mis.halfClose(), expected: "closed" },
  { what: "sends nothing", how: mis.stall(), expected: "timeout" },
  { what: "sends garbage", how: mis.garbage(), expected: "protocol", not: ["connect"] },
  { what: "sends a line of 2 MB", how: mis.hugeLine(), expected: "protocol", not: WITHOUT_REPLY },
  { what: "sends half a line", how: mis.halfLine(), expected: "timeout", not: WITHOUT_REPLY },
  { what: "sends an octet at a time", how: mis.trickle(), expected: "timeout", not: WITHOUT_REPLY },
  { what: "never ends its reply", how: mis.endless(), expected: "protocol", not: WITHOUT_REPLY },
  { what: "mixes codes in a reply", how: mis.mixedCodes(), expected: "protocol", not: WITHOUT_REPLY },
  { what: "closes during a reply", how: mis.closeMidReply(), expected: "closed", not: WITHOUT_REPLY },
  { what: "replies 199", how: mis.reply("199 Hm"), expected: "protocol", not: WITHOUT_REPLY },
  { what: "replies 354", how: mis.reply("354 Go on"), expected: "protocol", not: [...WITHOUT_REPLY, "data"] },
  {
    what: "replies 250",
    how: mis.reply("250 Ok"),
    expected: "protocol",
    not: ALL.filter((s) => s !== "data"),
  },
  {
    what: "replies 421 and closes",
    how: mis.replyAndClose("421 4.3.2 Shutting down"),
    expected: "rate_limited",
    isReply: true,
    not: WITHOUT_REPLY,
  },
  {
    what: "replies 554 and closes",
    how: mis.replyAndClose("554 No"),
    expected: { ...REJECTED, ehlo: "refused", "ehlo-tls": "refused" },
    isReply: true,
    retryable: false,
    not: WITHOUT_REPLY,
  },
  {
    what: "replies 451",
    how: mis.reply("451 Later"),
    // A 4xx to DATA does not concern the message itself (RFC 5321 4.2.1).
    expected: { ...REJECTED, data: "rate_limited", bdat: "rate_limited", body: "rate_limited" },
    isReply: true,
    not: [...WITHOUT_REPLY, "ehlo", "ehlo-tls"],
  },
  {
    what: "replies 550",
    how: mis.reply("550 No"),
    expected: REJECTED,
    isReply: true,
    retryable: false,
    not: [...WITHOUT_REPLY, "ehlo", "ehlo-tls"],
  },
];

/**
 * A complete reply gives a known outcome; any other failure after the end of the message does not. With BDAT the end is
 * sent together with MAIL, so a failure at MAIL or RCPT comes after it.
 */
export function expectedOf(row: Row, step: Step, mode: Mode): Expected {
  const code = typeof row.expected === "string" ? row.expected : (row.expected[step] ?? "protocol");
  const isEndWritten = mode === "bdat" || step === "body";
  const isUnknown = isEndWritten && row.isReply !== true;
  const outcome = isUnknown ? "unknown" : "not-sent";
  const phase = isUnknown ? "data" : PHASES[step];
  return { code, phase, outcome, retryable: !isUnknown && (row.retryable ?? true) };
}
