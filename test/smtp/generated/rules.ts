import type { Written } from "./client-bytes.ts";
import { type Context, isGiven } from "./context.ts";
import type { Entry, Knowledge, ModelStep } from "./knowledge.ts";
import { ofAuth, ofResponse } from "./rules-of-auth.ts";
import { ofChunk, ofData, ofMail, ofRcpt } from "./rules-of-messages.ts";

export const EHLO_NAME = "client.example.org";

/** RFC 5321 4.5.3.1.4; RFC 1870 3, RFC 6152 2 and RFC 6531 3.4 add to the line of MAIL. */
const MAX_LINE_OCTETS = 512 + 26 + 17 + 10;
/** RFC 4954 4: maximum of AUTH, and of a response. */
const MAX_AUTH_OCTETS = 512;
const MAX_RESPONSE_OCTETS = 12_288;

/** Commands that may precede others before the reply (RFC 2920 3.1), and those that may follow. */
const GROUPED: readonly ModelStep[] = ["rset", "mail", "rcpt"];
const IN_GROUP: readonly ModelStep[] = ["rset", "mail", "rcpt", "data", "bdat", "quit"];
/** Commands allowed while TLS is wanted and not established. */
const IN_CLEAR: readonly ModelStep[] = ["ehlo", "helo", "starttls", "quit"];

/** Returns the rule of RFC 5321, 2920, 3030, 3207 or 4954 that forbids a write. `null` if none does. */
export function violationOf(written: Written, context: Context): string | null {
  const step = stepOf(written);
  const violation = atAnyTime(step, context) ?? afterOthers(step, context);
  if (violation !== null) return violation;
  if (written.kind === "data") return ofData(written.text, written.isEnd, context);
  const ofThisLine = ofLine(step, written.line, context);
  return written.kind === "chunk" ? (ofThisLine ?? ofChunk(written.text, context)) : ofThisLine;
}

export function stepOf(written: Written): ModelStep {
  if (written.kind === "command") return written.step;
  return written.kind === "chunk" ? "bdat" : "message";
}

function atAnyTime(step: ModelStep, { scenario, known }: Context): string | null {
  const greeting = known.entries[0]?.reply ?? null;
  if (greeting === null) return "a command before the greeting (RFC 5321 3.1)";
  if (greeting.code !== 220 && step !== "quit")
    return "another command than QUIT to a server that rejects clients";
  if (known.silence !== null && !(known.silence === "421" && step === "quit")) {
    return `${step} after the conversation ended: ${known.silence}`;
  }
  if (known.isHandshaking) return "clear text after STARTTLS was accepted (RFC 3207 4)";
  if (known.entries.some((entry) => entry.step === "quit")) return "something after QUIT";
  const isBare = scenario.security === "starttls" && !known.isTls;
  return isBare && !IN_CLEAR.includes(step) ? `${step} in clear although TLS is wanted` : null;
}

/** Returns the violation of a write after 334 or 354, or while replies are due. */
function afterOthers(step: ModelStep, { work, known }: Context): string | null {
  const { last } = known;
  const isAsked = last?.reply?.code === 334 && (last.step === "auth" || last.step === "response");
  if (isAsked && step !== "response") return `${step} where a response is due (RFC 4954 4)`;
  if (last?.step === "data" && last.reply?.code === 354 && step !== "message") {
    return `${step} where the message is due (RFC 5321 4.1.1.4)`;
  }
  if (known.due === null) return null;
  // RSET before QUIT, when the connection is closed.
  const isWanted = work === null ? step === "quit" : work.kind === "message" && work.pipelining === "auto";
  if (!isWanted || !known.keywords.has("PIPELINING")) return `${step} before the reply to ${last?.step}`;
  const isGroup = isGroupable(known.outstanding) && IN_GROUP.includes(step);
  return isGroup ? null : `${step} in one group with ${last?.step} (RFC 2920 3.1)`;
}

/** The content of a message may lead a group (RFC 2920 3.1). */
function isGroupable([first, ...others]: readonly Entry[]): boolean {
  const isLead = first?.step === "message" || (first !== undefined && GROUPED.includes(first.step));
  return isLead && others.every(({ step }) => GROUPED.includes(step));
}

const MAX_OCTETS: Readonly<Partial<Record<ModelStep, number>>> = {
  auth: MAX_AUTH_OCTETS,
  response: MAX_RESPONSE_OCTETS,
};

function ofLine(step: ModelStep, line: string, context: Context): string | null {
  if (line.length + 2 > (MAX_OCTETS[step] ?? MAX_LINE_OCTETS)) return `${step} with ${line.length} octets`;
  const violation = RULES[step](line, context);
  return violation === null ? null : `${violation}: ${line.slice(0, 100)}`;
}

type Rule = (line: string, context: Context) => string | null;

const RULES: Readonly<Record<ModelStep, Rule>> = {
  greeting: () => "the client greets",
  ehlo: (line, { known }) =>
    line === `EHLO ${EHLO_NAME}` && !known.isIntroduced && !isUnder(known, "ehlo")
      ? null
      : "EHLO twice, or misspelled",
  helo: (line, { known: { last } }) =>
    line === `HELO ${EHLO_NAME}` && last?.step === "ehlo" && (last.reply?.code ?? 0) >= 500
      ? null
      : "HELO to a server that did not reject EHLO",
  starttls: (line, { scenario, known }) =>
    line === "STARTTLS" &&
    scenario.security === "starttls" &&
    known.keywords.has("STARTTLS") &&
    !known.has("starttls")
      ? null
      : "STARTTLS that is not wanted or not offered",
  auth: ofAuth,
  response: ofResponse,
  rset: (line, context) =>
    line === "RSET" && isOpened(context) ? null : "RSET before the login, or misspelled",
  mail: (line, context) => (isOpened(context) ? ofMail(line, context) : "MAIL before the login"),
  rcpt: ofRcpt,
  data: (line, { known }) => (line === "DATA" && isGiven(known, "rcpt") ? null : "DATA without RCPT"),
  message: () => null,
  bdat: (_line, { known }) => (isGiven(known, "rcpt") ? null : "BDAT without RCPT"),
  quit: (line) => (line === "QUIT" ? null : "QUIT misspelled"),
};

/** Whether a command was written since TLS was established. */
function isUnder(known: Knowledge, step: ModelStep): boolean {
  const entries = known.entries.slice(known.entries.findLastIndex((entry) => entry.step === "starttls") + 1);
  return entries.some((entry) => entry.step === step);
}

/** Whether greeting, EHLO, TLS and login are done, as far as they are wanted. */
function isOpened({ scenario, known }: Context): boolean {
  return known.isIntroduced && (scenario.login === null || known.isLoggedIn);
}
