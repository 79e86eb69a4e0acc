import { octetsOf, type Reading, readingsOf, withoutBreaks } from "./decoded-text.ts";

const SECRET = "[secret]";

/** Shorter parts of a secret occur in other texts by chance, and are shown. */
const PART_CHARACTERS = 6;
/**
 * Secrets shorter than this occur in many words by chance, and replacing them there would reveal their letters. A text
 * in which one is a whole word is withheld instead.
 */
const MIN_LONG_CHARACTERS = 4;

const BASE64_RUN = /[A-Za-z0-9+/_-]{2,}={0,2}/g;
/** Text that needs no cleaning, as in nearly every reply. */
const PLAIN_TEXT = /^[ -~]*$/;
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]+/gu;
const MAX_TEXT_CHARACTERS = 500;
/** The search would keep the process busy over a whole response, of which 500 characters are shown. */
const MAX_SEARCHED_CHARACTERS = 4_000;
/**
 * Words of diagnoses. One of them alone is shown, though it is also part of a secret such as `client-secret`.
 */
const HARMLESS =
  /^(?:access|account|address|authentication|authorization|authorized|certificate|client|connection|credentials|denied|domain|expired|failed|failure|incorrect|invalid|mailbox|message|password|please|policy|provided|recipient|rejected|relaying|request|required|secret|sender|server|service|support|temporarily|temporary|unauthorized|unavailable|unknown|username)$/i;
const WORD = /[^\s"'<>()[\]{},;:=]+/g;

interface Range {
  readonly from: number;
  readonly to: number;
}

/** Texts to find, as octets in lower case with one character each. */
interface Patterns {
  readonly texts: ReadonlySet<string>;
  /** Every length that occurs. */
  readonly lengths: readonly number[];
  /** Whether a text may start with two octets, by {@link startKey}. Nearly every place in a reply is ruled out by it. */
  readonly mayStart: Uint8Array;
}

const START_KEYS = 4_096;
/** Lower case of each octet. */
const LOWER = Uint8Array.from({ length: 256 }, (_, code) =>
  String.fromCharCode(code).toLowerCase().charCodeAt(0),
);

interface Hidden {
  /** Secrets of which no six characters in a row may be shown. A shorter one is hidden as a whole. */
  readonly secrets: readonly string[];
  /** Texts that are hidden only as a whole. */
  readonly whole?: readonly string[];
}

/** Creates a function that replaces a username and every part of a password in texts, as {@link secretRedactor} does. */
export function redactor(username: string, password: string): (text: string) => string {
  // The message of AUTH PLAIN (RFC 4616), which holds short secrets as well.
  const plain = username === "" && password === "" ? [] : [`\0${username}\0${password}`];
  return createRedactor({ secrets: [password], whole: [username, ...plain] });
}

/** Creates a function that replaces a username and every part of an access token. */
export function tokenRedactor(username: string, accessToken: string): (text: string) => string {
  return createRedactor({ secrets: [accessToken], whole: [username] });
}

/**
 * Creates a function that replaces six characters or more of a secret in a row: plain, percent-encoded, in base64 or
 * hexadecimal, as JSON, HTML or quoted-printable, cut anywhere, and over several lines. It drops what is behind the first
 * 4,000 characters.
 */
export function secretRedactor(secrets: readonly string[]): (text: string) => string {
  return createRedactor({ secrets });
}

function createRedactor({ secrets, whole: names = [] }: Hidden): (text: string) => string {
  const given = [...secrets, ...names].filter((secret) => secret !== "");
  if (given.length === 0) return (text) => text;
  const short = new Set(given.filter(isShort));
  const shortBase64 = new Set([...short].map(unpadded));
  const whole = new Set(given.map((secret) => secret.toLowerCase()));
  // Many connections never show a reply.
  let patterns: { readonly asIs: Patterns; readonly joined: Patterns } | null = null;
  return (full) => {
    const text = full.slice(0, MAX_SEARCHED_CHARACTERS);
    if (standsAlone(text, short, shortBase64)) return SECRET;
    patterns ??= patternsFor(secrets, names);
    const joined = rangesOf(readingsOf(text, true), patterns.joined).flatMap((range) => linesOf(text, range));
    const ranges = merged([...rangesOf(readingsOf(text, false), patterns.asIs), ...joined]);
    return replace(
      text,
      ranges.filter((range) => !isHarmless(text, range, whole)),
    );
  };
}

function isShort(secret: string): boolean {
  return secret.length < MIN_LONG_CHARACTERS;
}

function patternsFor(secrets: readonly string[], names: readonly string[]) {
  const texts = [...secrets.flatMap(partsOf), ...names];
  const joined = [...secrets.map(withoutBreaks).flatMap(partsOf), ...names.map(withoutBreaks)];
  return {
    asIs: toPatterns(texts.filter((text) => !isShort(text))),
    // Across the end of a word, fewer characters occur by chance.
    joined: toPatterns(joined.filter(({ length }) => length >= PART_CHARACTERS)),
  };
}

/** Returns text of a server that is safe to show: without secrets and control characters, at most 500 characters. */
export function presentText(
  text: string,
  redact: (text: string) => string,
  maxCharacters = MAX_TEXT_CHARACTERS,
): string {
  const redacted = redact(text);
  if (redacted.length <= maxCharacters && PLAIN_TEXT.test(redacted)) return redacted.trim();
  const clean = redacted.replace(UNPRINTABLE, " ").trim();
  return Array.from(clean).slice(0, maxCharacters).join("");
}

/** Returns all runs of six characters; a shorter secret itself. */
function partsOf(secret: string): readonly string[] {
  const characters = Array.from(secret);
  const count = Math.max(1, characters.length - PART_CHARACTERS + 1);
  return Array.from({ length: count }, (_, start) =>
    characters.slice(start, start + PART_CHARACTERS).join(""),
  );
}

function toPatterns(texts: readonly string[]): Patterns {
  const octets = new Set(texts.map((text) => octetsOf(text).toLowerCase()));
  const mayStart = new Uint8Array(START_KEYS);
  for (const text of octets) mayStart[startKey(text.charCodeAt(0), text.charCodeAt(1))] = 1;
  return { texts: octets, lengths: [...new Set([...octets].map(({ length }) => length))], mayStart };
}

function startKey(first: number, second: number): number {
  return (first * 31 + second) % START_KEYS;
}

function rangesOf(readings: readonly Reading[], { texts, lengths, mayStart }: Patterns): Range[] {
  const ranges: Range[] = [];
  for (const { octets, from, to } of readings) {
    for (let start = 0; start + 1 < octets.length; start++) {
      const key = startKey(LOWER[octets[start] ?? 0] ?? 0, LOWER[octets[start + 1] ?? 0] ?? 0);
      if (mayStart[key] === 0) continue;
      for (const length of lengths) {
        const text = octets.toString("latin1", start, start + length).toLowerCase();
        if (texts.has(text)) ranges.push({ from: from(start), to: to(start + length - 1) });
      }
    }
  }
  return ranges;
}

function standsAlone(text: string, short: ReadonlySet<string>, encoded: ReadonlySet<string>): boolean {
  if (short.size === 0) return false;
  const words = text.match(WORD) ?? [];
  const bare = words.map((word) => word.replace(/^[.!?`]+|[.!?`]+$/g, ""));
  if ([...words, ...bare].some((word) => short.has(word))) return true;
  return (text.match(BASE64_RUN) ?? []).some((run) => encoded.has(run.replace(/=+$/, "")));
}

/** Splits a range at the ends of lines, which stay. */
function linesOf(text: string, { from, to }: Range): Range[] {
  return [...text.slice(from, to).matchAll(/\S+/g)].map(({ 0: line, index }) => ({
    from: from + index,
    to: from + index + line.length,
  }));
}

/** Joins ranges that overlap or touch. */
function merged(ranges: readonly Range[]): Range[] {
  const result: Range[] = [];
  for (const range of ranges.toSorted((a, b) => a.from - b.from)) {
    const last = result.at(-1);
    if (last === undefined || range.from > last.to) result.push(range);
    else result[result.length - 1] = { from: last.from, to: Math.max(last.to, range.to) };
  }
  return result;
}

/** Whether a range is one whole word of a diagnosis, and not a whole secret. */
function isHarmless(text: string, { from, to }: Range, secrets: ReadonlySet<string>): boolean {
  const word = text.slice(from, to);
  if (!HARMLESS.test(word) || secrets.has(word.toLowerCase())) return false;
  return !/[\p{L}\p{N}]$/u.test(text.slice(0, from)) && !/^[\p{L}\p{N}]/u.test(text.slice(to));
}

function replace(text: string, ranges: readonly Range[]): string {
  let result = "";
  let end = 0;
  for (const { from, to } of ranges) {
    result += `${text.slice(end, from)}${SECRET}`;
    end = to;
  }
  return result + text.slice(end);
}

function unpadded(secret: string): string {
  return Buffer.from(secret, "utf8").toString("base64").replace(/=+$/, "");
}
