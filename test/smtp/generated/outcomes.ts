import { type Arrival, isOutOfStep, isPositive, type Knowledge, type ModelStep } from "./knowledge.ts";
import type { Scenario, Work } from "./scenario.ts";

export type Outcome = "successful" | "not-sent" | "unknown";

/** The state of a message after some replies. */
interface Standing {
  isReset: boolean;
  isRejected: boolean;
  /** Whether a rejected MAIL or RCPT leaves no transaction for the chunk. */
  isRuledOut: boolean;
}

const BAD_SEQUENCE = 503;
const CLOSING = 421;

/**
 * Returns the expected outcome of a message, by the replies alone. `null`: none so far. The first decisive reply counts,
 * and replies of the same moment, or those of a doubt, can only make it unknown.
 */
export function outcomeOf(known: Knowledge, isLost: boolean): Outcome | null {
  const standing: Standing = { isReset: wasReset(known), isRejected: false, isRuledOut: false };
  const arrivals = known.arrivals.filter(({ work }) => work === known.work);
  let outcome: Outcome | null = null;
  let decidedIn = Number.NaN;
  for (const arrival of arrivals) {
    if (outcome === null) {
      outcome = decide(arrival, standing, known);
      decidedIn = arrival.chunk;
    } else if (arrival.chunk === decidedIn && contradicts(arrival, outcome, known)) outcome = "unknown";
  }
  if (outcome === "successful" && known.doubt !== null) {
    if (known.doubt === "open") return isLost ? "unknown" : null;
    return known.doubt === "accepted" ? "successful" : "unknown";
  }
  if (outcome !== null) return outcome;
  const isEndWritten = endOf(known) !== null;
  if (isLost) return ifLost(standing, isEndWritten);
  const isStuck = (known.of("rset")?.reply?.code ?? 0) >= 400 && known.of("mail") === null;
  return (standing.isRejected || isStuck) && !isEndWritten ? "not-sent" : null;
}

/** Returns the expected result of a check of addresses, or of the opening. */
export function outcomeOfCheck(scenario: Scenario, work: Work | null, known: Knowledge): Outcome {
  const isDone = work === null ? isOpened(scenario, known) : isAccepted(work, known);
  return isDone && known.silence === null ? "successful" : "not-sent";
}

function isOpened({ security, until, login }: Scenario, known: Knowledge): boolean {
  if (!known.isIntroduced) return false;
  if (until === "connect") return true;
  if (security === "starttls" && !known.isTls) return false;
  return until === "tls" || login === null || known.isLoggedIn;
}

function isAccepted({ recipient }: Work, known: Knowledge): boolean {
  const steps: readonly ModelStep[] = recipient === null ? ["mail"] : ["mail", "rcpt"];
  return steps.every((step) => isPositive(known.of(step)?.reply ?? null));
}

/** `null`: the reply decides nothing. */
function decide(arrival: Arrival, standing: Standing, known: Knowledge): Outcome | null {
  const { entry, reply } = arrival;
  const isEndWritten = isEndWrittenBefore(arrival, known);
  if (entry === null || reply === null || isOutOfStep(entry.step, reply.code))
    return ifLost(standing, isEndWritten);
  const isRejected = reply.code >= 400;
  if (entry.step === "message") return isRejected ? "not-sent" : "successful";
  if (entry.step === "bdat") return isRejected ? "not-sent" : standing.isRejected ? "unknown" : "successful";
  if (entry.step === "rset") standing.isReset = !isRejected;
  else if (isRejected) {
    standing.isRejected = true;
    standing.isRuledOut ||= standing.isReset && !(entry.step === "mail" && reply.code === BAD_SEQUENCE);
  }
  return reply.code === CLOSING ? ifLost(standing, isEndWritten) : null;
}

function ifLost({ isRuledOut }: Standing, isEndWritten: boolean): Outcome {
  return isEndWritten && !isRuledOut ? "unknown" : "not-sent";
}

/** Whether a further reply contradicts the first. An unsolicited 421 does not concern the message (RFC 5321 3.8). */
function contradicts(arrival: Arrival, outcome: Outcome, known: Knowledge): boolean {
  const { reply } = arrival;
  if (reply === null || !isEndWrittenBefore(arrival, known)) return false;
  if (reply.code === CLOSING) return false;
  return (outcome === "successful") !== isPositive(reply);
}

function isEndWrittenBefore({ chunk }: Arrival, known: Knowledge): boolean {
  const end = endOf(known);
  return end !== null && end.afterChunk < chunk;
}

function endOf(known: Knowledge) {
  return known.of("message") ?? known.of("bdat");
}

/** Whether the server had no transaction when this task started. */
function wasReset(known: Knowledge): boolean {
  const earlier = known.entries.filter(({ work }) => work < known.work);
  const last = earlier.findLast(({ step }) =>
    ["ehlo", "helo", "rset", "mail", "message", "bdat"].includes(step),
  );
  return last !== undefined && last.step !== "mail" && isPositive(last.reply);
}
