import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { SmtpReply } from "../../src/domain/delivery.ts";
import { serverDelayMs } from "../../src/smtp/server-delay.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const reply = (code: number, text: string): SmtpReply => ({ code, enhanced: null, text });
const delayOf = (text: string) => serverDelayMs(reply(450, text));

describe("serverDelayMs()", () => {
  test.each([
    ["4.7.1 You have sent 200 messages in 24 hours, please try again in 1 minute", MINUTE_MS],
    ["4.7.1 100 mails in 10 minutes; try again in 30 seconds", 30 * SECOND_MS],
    ["4.2.0 Greylisted, retry in 4m59s", 299 * SECOND_MS],
    ["4.7.1 Try again in 1 day", DAY_MS],
    ["Greylisted, try again in 5 minutes", 5 * MINUTE_MS],
    ["4.7.1 Please try again in 300 seconds.", 300 * SECOND_MS],
    ["Greylisting in action, please come back in 00:04:59", 299 * SECOND_MS],
    ["TRY AGAIN IN 01:00:00", HOUR_MS],
    ["retry in 4:59", 299 * SECOND_MS],
    ["Come back after 1 hour", HOUR_MS],
    ["Come back in an hour", HOUR_MS],
    ["Please wait 90s", 90 * SECOND_MS],
    ["You have to wait 5 minutes", 5 * MINUTE_MS],
    ["in 1,000 seconds", 1_000 * SECOND_MS],
    ["try again in 1,000,000 seconds", 1_000_000 * SECOND_MS],
    ["Greylisted, 4 minutes 59 seconds remaining", 299 * SECOND_MS],
    ["Greylisted: 59 seconds left", 59 * SECOND_MS],
    ["greylisted, 300 seconds to wait", 300 * SECOND_MS],
    ["1,000 seconds remaining.", 1_000 * SECOND_MS],
    ["greylisted for 5 minutes: 59 seconds remaining", 59 * SECOND_MS],
    ["You have sent 200 messages in 24 hours; 59 seconds left", 59 * SECOND_MS],
    ["try again in 10 minutes (59 seconds left)", 10 * MINUTE_MS],
    ["wait for at least 2 hrs", 2 * HOUR_MS],
    ["Deferred for about 2 min", 2 * MINUTE_MS],
    ["in 1h 30m", 90 * MINUTE_MS],
    ["try again in 2 hours and 5 minutes", 125 * MINUTE_MS],
    ["in 1 day, 2 hours, 3 minutes and 4 seconds", DAY_MS + 2 * HOUR_MS + 3 * MINUTE_MS + 4 * SECOND_MS],
    ["in 1 day, 2:03:04", DAY_MS + 2 * HOUR_MS + 3 * MINUTE_MS + 4 * SECOND_MS],
    ["in 5-10 minutes", 10 * MINUTE_MS],
    ["in 5–10 minutes", 10 * MINUTE_MS],
    ["try again in 00h:04m:59s", 299 * SECOND_MS],
    ["try again in 1d:02h:03m:04s", DAY_MS + 2 * HOUR_MS + 3 * MINUTE_MS + 4 * SECOND_MS],
    ["greylisted for 5 minutes: 60 seconds remain", 5 * MINUTE_MS],
    ["greylisted for 5 minutes:60 seconds remain", 5 * MINUTE_MS],
    ["in 1 hour: 5 min. limit per host", HOUR_MS],
    ["limit for 1 hour: 20 m", HOUR_MS],
    ["wait 1h: 20 m are the limit", HOUR_MS],
    ["blocked for 1 hour : 30 seconds a message", HOUR_MS],
    ["retry after 10 minutes: 5 secs between messages", 10 * MINUTE_MS],
    ["in 1.5 hours", 90 * MINUTE_MS],
    ["Retry-After: 60 seconds", MINUTE_MS],
    ["try again in 0 seconds", 0],
    ["try again in 5 minutes or in an hour", HOUR_MS],
    ["Try again in (300 seconds)", 300 * SECOND_MS],
    ["try again in ~5 minutes", 5 * MINUTE_MS],
    ["try again in approx. 5 minutes", 5 * MINUTE_MS],
    ["try again in at most 10 minutes", 10 * MINUTE_MS],
    ["Retry after 2 minute(s) 5 second(s)", 125 * SECOND_MS],
    ["try again in 1 hour & 30 minutes", 90 * MINUTE_MS],
    ["try again in 10 minutes or contact support within 24 hours", 10 * MINUTE_MS],
    ["try again in 10 minutes. In 3 days the message is dropped", 10 * MINUTE_MS],
    ["More than 10 different recipients in 60 minutes, wait 5 minutes", 5 * MINUTE_MS],
    ["Please wait 5 more minutes", 5 * MINUTE_MS],
    ["Wait time: 30 seconds", 30 * SECOND_MS],
    ["The wait time is 30 seconds", 30 * SECOND_MS],
    ["a delay of 300 seconds applies", 5 * MINUTE_MS],
    ["a delay of about 5 minutes applies", 5 * MINUTE_MS],
    ["in 99999999 seconds", 99_999_999 * SECOND_MS],
    ["Blocked for 999999999999999 days", Number.MAX_SAFE_INTEGER],
  ])("finds the delay in %j", (text, delayMs) => {
    expect(delayOf(text)).toBe(delayMs);
  });

  test.each([
    "4.3.0 No route for 2 hosts",
    "4.7.1 You have sent 200 messages in 24 hours",
    "4.7.1 More than 10 different recipients in 60 minutes",
    "4.7.1 Limit of 50 outgoing messages within 24 hours exceeded",
    "4.7.0 Too many connections (10 in 60m)",
    "4.7.0 Too many unknown users in 10 minutes",
    "Try again later",
    "Try again in a few minutes",
    "Error 300 in 5 lines",
    "Messages older than 5 days are dropped",
    "A limit of 60 minutes applies",
    "No disk for 5 MB",
    "in -5 seconds",
    "in 5,10 minutes",
    "in 1,00 seconds",
    "in 1,0000 seconds",
    "in 1,000 messages",
    "3 attempts left",
    "59 left",
    "10 messages remaining",
    "5 days left",
    "1.5.5 minutes left",
    "59 seconds leftover",
    "59 seconds left-hand",
    "5 minutes, left alone",
    "60 seconds remain",
    "see in12seconds",
    "Closed after 14:30 UTC",
    "Greylisted, retry time is 12:45:10",
    "try again in time=12:45:10",
    "Delay of message is 12:45:10",
    "ticket for 202611302130 d3adbeef",
    "for 2001:db8::1",
    "for 192.0.2.1",
    "in 10:20:30:40",
    "",
  ])("finds none in %j", (text) => {
    expect(delayOf(text)).toBeNull();
  });

  test("reads the replies that state a transient failure", () => {
    expect(serverDelayMs(reply(550, "try again in 5 minutes"))).toBeNull();
    expect(serverDelayMs(reply(250, "try again in 5 minutes"))).toBeNull();
    expect(serverDelayMs(null)).toBeNull();
  });
});

/** A duration as a server may write it, and how long it is. */
interface Written {
  readonly text: string;
  readonly ms: number;
}

const UNITS = [
  { names: ["day", "d"], ms: DAY_MS },
  { names: ["hour", "hr", "h"], ms: HOUR_MS },
  { names: ["minute", "min", "m"], ms: MINUTE_MS },
  { names: ["second", "sec", "s"], ms: SECOND_MS },
] as const;

const part = ({ names, ms }: (typeof UNITS)[number]): fc.Arbitrary<Written> =>
  fc
    .record({ amount: fc.nat(9_999), name: fc.constantFrom(...names), blank: fc.constantFrom("", " ") })
    .map(({ amount, name, blank }) => ({
      text: `${amount}${blank}${name}${name.length > 1 && amount !== 1 ? "s" : ""}`,
      ms: amount * ms,
    }));
const inUnits: fc.Arbitrary<Written> = fc
  .tuple(
    fc.tuple(...UNITS.map((unit) => fc.option(part(unit)))),
    fc.constantFrom(" ", ", ", " and ", ", and "),
  )
  .map(([parts, separator]) => ({ parts: parts.filter((one) => one !== null), separator }))
  .filter(({ parts }) => parts.length > 0)
  .map(({ parts, separator }) => ({
    text: parts.map(({ text }) => text).join(separator),
    ms: parts.reduce((sum, { ms }) => sum + ms, 0),
  }));
const twoDigits = (value: number) => String(value).padStart(2, "0");
const onClock: fc.Arbitrary<Written> = fc
  .tuple(fc.option(fc.nat(99)), fc.nat(59), fc.nat(59))
  .map(([hours, minutes, seconds]) => ({
    text: [...(hours === null ? [] : [twoDigits(hours)]), twoDigits(minutes), twoDigits(seconds)].join(":"),
    ms: (hours ?? 0) * HOUR_MS + minutes * MINUTE_MS + seconds * SECOND_MS,
  }));
const duration = fc.oneof(inUnits, onClock);
const introduction = fc.constantFrom("in", "after", "wait", "for", "within", "Retry in", "try again IN");

describe("any reply", () => {
  test("that names a delay means that one", () => {
    fc.assert(
      fc.property(introduction, duration, (before, { text, ms }) => {
        expect(delayOf(`Greylisted, ${before} ${text}`)).toBe(ms);
        expect(delayOf(`${before} ${text}.`)).toBe(ms);
      }),
    );
  });

  test("that names several means the last one", () => {
    fc.assert(
      fc.property(fc.array(duration, { minLength: 1, maxLength: 4 }), duration, (before, last) => {
        const sentences = [...before, last].map(({ text }) => `Try again in ${text}`);
        expect(delayOf(sentences.join("; "))).toBe(last.ms);
      }),
    );
  });

  test("that states a limit and a delay means the delay, whichever is first", () => {
    fc.assert(
      fc.property(fc.nat(9_999), inUnits, duration, fc.boolean(), (count, span, delay, isLimitFirst) => {
        const parts = [`${count} messages in ${span.text}`, `try again in ${delay.text}`];
        expect(delayOf((isLimitFirst ? parts : parts.toReversed()).join("; "))).toBe(delay.ms);
      }),
    );
  });

  test("has a delay that is a number of milliseconds, or none", () => {
    const words = fc.constantFrom(
      "in",
      "after",
      "1",
      "59",
      ":",
      "00:10",
      "h",
      "s",
      "days",
      "and",
      ",",
      "-",
      "é",
      "minutes",
      ".",
    );
    const text = fc.oneof(
      fc.string({ maxLength: 500 }),
      fc.array(words, { maxLength: 60 }).map((all) => all.join(" ")),
    );
    fc.assert(
      fc.property(text, (given) => {
        const delayMs = delayOf(given);
        expect(delayMs === null || (Number.isSafeInteger(delayMs) && delayMs >= 0)).toBe(true);
      }),
    );
  });
});
