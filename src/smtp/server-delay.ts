import type { SmtpReply } from "../domain/delivery.ts";
import { wordsOf } from "../domain/known-reply.ts";

interface Unit {
  /** An alternation of a regular expression. */
  readonly names: string;
  readonly ms: number;
}

const DAY: Unit = { names: "days?|d", ms: 86_400_000 };
const HOUR: Unit = { names: "hours?|hrs?|h", ms: 3_600_000 };
const MINUTE: Unit = { names: "minutes?|mins?|m", ms: 60_000 };
const SECOND: Unit = { names: "seconds?|secs?|s", ms: 1_000 };
/** Units in the order in which they occur in one duration. */
const UNITS: readonly Unit[] = [DAY, HOUR, MINUTE, SECOND];

/** Words that introduce the delay, and words that may follow them before the number. */
const INTRODUCTION = "(in|after|for|wait|within|again|retry|delay)";
const FILLER =
  "(?:about|approx\\.|approximately|around|at\\s+(?:least|most)|less\\s+than|another|the\\s+next|up\\s+to)";
/** A number such as `1.5` or `1,000`, the upper end of a range, or one as a word; the `5` of `5,10` is none. */
const AMOUNT =
  "(?:(?:\\d{1,15}\\s*(?:[-–]|to)\\s*)?(\\d{1,3}(?:,\\d{3}){1,4}|\\d{1,15}(?:\\.\\d{1,3})?)\\s*(?:more\\s+)?|(an?|one)\\s+)";
/** A colon separates units in `00h:04m:59s` only; otherwise a new clause follows it. */
const SEPARATOR = "(?:(?:(?<=\\d[dhm]):|\\s*,?\\s*(?:(?:and|&|plus)\\s+)?)(?=\\d))?";
/** Each unit at most once, the longer ones first: `1h 30m`, `2 hours and 5 minutes`, `4m59s`. */
const DURATION = UNITS.map(optionalPart).join("");
/** Units of `59 seconds left`. Days are left of something else, such as a trial. */
const LEFT_UNITS = UNITS.slice(1);
const LEFT = `(?<![\\d.,:])(?=\\d)${LEFT_UNITS.map(optionalPart).join("")}\\s+(?:remaining|left|to\\s+wait)(?![\\w-])`;
/** `00:04:59` is hours, minutes and seconds, `4:59` minutes and seconds; `14:30 UTC` is a time of the day. */
const CLOCK = `${optionalPart(DAY)}(?:(\\d{1,3}):)?(\\d{1,3}):([0-5]\\d)(?![\\d:])(?!\\s*(?:[ap]\\.?m\\b|utc\\b|gmt\\b|z\\b))`;
const createNamedDelay = () =>
  new RegExp(
    `\\b${INTRODUCTION}\\b[\\s:=("'[~]*(?:(?:${FILLER}\\s+)?${CLOCK}|(?:(?:time|of|is|${FILLER})[\\s:=]+){0,2}${DURATION}(?!\\d))|${LEFT}`,
    "giu",
  );
/** Created for the first reply that needs it: this takes longer than to read a reply. */
let namedDelay: RegExp | null = null;
/** The units of the groups after the first of {@link namedDelay}. Each unit has two groups, the number and the word. */
const CLOCK_UNITS = [DAY, DAY, HOUR, MINUTE, SECOND] as const;
const GROUP_UNITS: readonly Unit[] = [
  ...CLOCK_UNITS,
  ...[...UNITS, ...LEFT_UNITS].flatMap((unit) => [unit, unit]),
];

/** Words before the number that ask for the delay: `try again in`, `come back after`. */
const ASKS = /\b(?:again|retry|back|later|resets?|wait)\b[^\d.;]*$/iu;
/** Words between a delay that is asked for and the next: `in 5 minutes or in an hour`. */
const GOES_ON = /^[\s,;]*(?:(?:or|and|then|not)\s*)?$/iu;
/** A count that makes the following time span a rate: `200 messages in 24 hours`, `too many users in`, `(10 in 60m)`. */
const RATE = /(?:(?<![\d.])\d+|\btoo\s+many)\s+(?:[\p{L}-]+\s+){0,4}(?:in|within)$/iu;
/** Words that far before a delay are not about it, and to read them again for each would take quadratic time. */
const MAX_BEFORE_CHARACTERS = 500;

function optionalPart({ names }: Unit): string {
  return `(?:${AMOUNT}(?:${names})(?:\\(s\\))?(?!\\p{L})${SEPARATOR})?`;
}

/**
 * Returns the delay that a 4xx reply names, in milliseconds; `null` if it names none. The last one counts, because servers
 * name a limit first and then the delay. A delay that the reply asks for counts more than other time spans.
 */
export function serverDelayMs(reply: SmtpReply | null): number | null {
  if (reply === null || reply.code < 400 || reply.code > 499) return null;
  namedDelay ??= createNamedDelay();
  let askedMs: number | null = null;
  /** End of the last delay that is asked for. */
  let askedUntil = 0;
  let otherMs: number | null = null;
  const text = wordsOf(reply);
  for (const match of text.matchAll(namedDelay)) {
    const [, introduction = "", ...amounts] = match;
    if (amounts.every((amount) => amount === undefined)) continue;
    const ms = amounts.reduce((sum, amount, index) => sum + partMs(amount, GROUP_UNITS[index]), 0);
    const before = text.slice(0, match.index + introduction.length).slice(-MAX_BEFORE_CHARACTERS);
    const goesOn = askedMs !== null && GOES_ON.test(text.slice(askedUntil, match.index));
    if (goesOn || ASKS.test(before)) {
      askedMs = ms;
      askedUntil = match.index + match[0].length;
    } else if (!RATE.test(before)) otherMs = ms;
  }
  const delayMs = askedMs ?? otherMs;
  return delayMs === null ? null : Math.min(Math.ceil(delayMs), Number.MAX_SAFE_INTEGER);
}

function partMs(amount: string | undefined, unit: Unit | undefined): number {
  if (amount === undefined || unit === undefined) return 0;
  // A word means one.
  return (/^\d/.test(amount) ? Number(amount.replaceAll(",", "")) : 1) * unit.ms;
}
