/** One way to read a text: the octets that it contains, and the part of the original text that each comes from. */
export interface Reading {
  readonly octets: Buffer;
  /** Start and end in the original text, by the index of an octet. */
  readonly from: (index: number) => number;
  readonly to: (index: number) => number;
}

/** The same with one character for each octet, for regular expressions. */
interface DirectReading {
  readonly octets: string;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

interface Encoding {
  readonly pattern: RegExp;
  /** Returns the octets of a match. */
  readonly decode: (match: string) => string;
}

/** Blanks and invisible characters, with the codes that a server repeats on each line of a reply. */
const BREAKS = /[\s\p{Cc}\p{Cf}]+(?:[245]\d\d[ -])?(?:[245]\.\d{1,3}\.\d{1,3} )?/gu;

/** Encodings of single characters: URLs and forms, JSON and source code, HTML, quoted-printable. */
const ENCODINGS: readonly Encoding[] = [
  { pattern: /%[0-9a-f]{2}|\+/gi, decode: (match) => (match === "+" ? " " : octet(match.slice(1))) },
  { pattern: /(?:\\u[0-9a-f]{4})+|\\x[0-9a-f]{2}|\\["'\\/bfnrt]/gi, decode: decodeBackslash },
  { pattern: /&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,4});/gi, decode: decodeEntity },
  { pattern: /=[0-9a-f]{2}|=\s+/gi, decode: (match) => (match.trim() === "=" ? "" : octet(match.slice(1))) },
];
/** A server that quotes what a program has logged encodes it twice. */
const MAX_DEPTH = 2;
const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/** RFC 4648 4 and 5. Shorter runs hold less than four octets. */
const BASE64_RUN = /[A-Za-z0-9+/_-]{6,}/g;
const BASE64_CHARACTER = /[A-Za-z0-9+/_=-]/;
const HEX_RUN = /[0-9a-f](?:[:., -]?[0-9a-f]){7,}/gi;
const HEX_DIGIT = /[0-9a-f]/i;

/** Returns a text as its UTF-8 octets, one character each. */
export function octetsOf(text: string): string {
  return /^[\0-\x7f]*$/.test(text) ? text : Buffer.from(text, "utf8").toString("latin1");
}

/** Returns a text without blanks, line breaks and what a server writes around these. */
export function withoutBreaks(text: string): string {
  return text.replace(BREAKS, "");
}

/**
 * Returns every reading of a text: plain, percent-encoded, as JSON, HTML or quoted-printable, and each of them in base64 and
 * hexadecimal, whatever was cut off before and after it.
 * @param isJoined whether to read the text {@link withoutBreaks}.
 */
export function readingsOf(text: string, isJoined: boolean): readonly Reading[] {
  return withDecoded(isJoined ? readJoined(text) : readPlain(text), 0).flatMap((direct) => {
    const { octets, starts, ends } = direct;
    const reading = {
      octets: Buffer.from(octets, "latin1"),
      from: (index: number) => starts[index] ?? 0,
      to: (index: number) => ends[index] ?? 0,
    };
    return [reading, ...base64In(direct, text), ...hexIn(direct)];
  });
}

function readPlain(text: string): DirectReading {
  const [starts, ends]: [number[], number[]] = [[], []];
  let octets = "";
  let start = 0;
  for (const character of text) {
    const encoded = octetsOf(character);
    const end = start + character.length;
    octets += encoded;
    for (let index = 0; index < encoded.length; index++) {
      starts.push(start);
      ends.push(end);
    }
    start = end;
  }
  return { octets, starts, ends };
}

function readJoined(text: string): DirectReading {
  const [starts, ends]: [number[], number[]] = [[], []];
  let octets = "";
  const add = (from: number, to: number) => {
    const part = readPlain(text.slice(from, to));
    octets += part.octets;
    for (const start of part.starts) starts.push(from + start);
    for (const end of part.ends) ends.push(from + end);
  };
  let end = 0;
  for (const { 0: match, index } of text.matchAll(BREAKS)) {
    add(end, index);
    end = index + match.length;
  }
  add(end, text.length);
  return { octets, starts, ends };
}

function withDecoded(reading: DirectReading, depth: number): DirectReading[] {
  if (depth === MAX_DEPTH) return [reading];
  const decoded = ENCODINGS.flatMap((encoding) => decodeAll(reading, encoding) ?? []);
  return [reading, ...decoded.flatMap((other) => withDecoded(other, depth + 1))];
}

/** Decodes every match. @returns `null` if there is none. */
function decodeAll(reading: DirectReading, { pattern, decode }: Encoding): DirectReading | null {
  const [starts, ends]: [number[], number[]] = [[], []];
  let octets = "";
  const copy = (from: number, to: number) => {
    octets += reading.octets.slice(from, to);
    for (let index = from; index < to; index++) {
      starts.push(reading.starts[index] ?? 0);
      ends.push(reading.ends[index] ?? 0);
    }
  };
  let end = 0;
  for (const { 0: match, index } of reading.octets.matchAll(pattern)) {
    copy(end, index);
    end = index + match.length;
    const part = decode(match);
    octets += part;
    for (let count = 0; count < part.length; count++) {
      starts.push(reading.starts[index] ?? 0);
      ends.push(reading.ends[end - 1] ?? 0);
    }
  }
  if (end === 0) return null;
  copy(end, reading.octets.length);
  return { octets, starts, ends };
}

/** Reads runs of base64. A run is hidden as a whole, because the characters next to a secret contain bits of it. */
function base64In({ octets, starts, ends }: DirectReading, text: string): Reading[] {
  return [...octets.matchAll(BASE64_RUN)].flatMap(({ 0: run, index: start }) =>
    // Up to three characters of the first group may be missing.
    [0, 1, 2, 3].map((missing): Reading => {
      const position = (octetIndex: number, offset: number) => {
        const character = Math.floor(octetIndex / 3) * 4 + (octetIndex % 3) + offset - missing;
        return start + Math.min(Math.max(character, 0), run.length - 1);
      };
      return {
        octets: Buffer.from("A".repeat(missing) + run, "base64"),
        from: (index) => runStart(text, starts[position(index, 0)] ?? 0),
        to: (index) => runEnd(text, ends[position(index, 1)] ?? 0),
      };
    }),
  );
}

function runStart(text: string, index: number): number {
  let start = index;
  while (start > 0 && BASE64_CHARACTER.test(text[start - 1] ?? "")) start--;
  return start;
}

function runEnd(text: string, index: number): number {
  let end = index;
  while (end < text.length && BASE64_CHARACTER.test(text[end] ?? "")) end++;
  return end;
}

/** Reads runs of hexadecimal digits, from the first and from the second digit. */
function hexIn({ octets, starts, ends }: DirectReading): Reading[] {
  return [...octets.matchAll(HEX_RUN)].flatMap(({ 0: run, index: start }) => {
    const digits = Array.from(run, (_, index) => index).filter((index) => HEX_DIGIT.test(run[index] ?? ""));
    return [0, 1].map((skipped): Reading => {
      const high = (index: number) => digits[skipped + 2 * index] ?? 0;
      const low = (index: number) => digits[skipped + 2 * index + 1] ?? 0;
      const count = Math.floor((digits.length - skipped) / 2);
      return {
        octets: Buffer.from(
          Array.from({ length: count }, (_, at) => `${run[high(at)]}${run[low(at)]}`).join(""),
          "hex",
        ),
        from: (index) => starts[start + high(index)] ?? 0,
        to: (index) => ends[start + low(index)] ?? 0,
      };
    });
  });
}

function octet(hex: string): string {
  return String.fromCharCode(Number.parseInt(hex, 16));
}

function decodeBackslash(match: string): string {
  if (/^\\u/i.test(match)) {
    const units = match.toLowerCase().split("\\u").slice(1);
    return octetsOf(String.fromCharCode(...units.map((unit) => Number.parseInt(unit, 16))));
  }
  if (/^\\x/i.test(match)) return octet(match.slice("\\x".length));
  // Escapes of control characters are line breaks within an encoded text.
  return /[bfnrt]/i.test(match) ? "" : match.slice(1);
}

function decodeEntity(match: string): string {
  const name = match.slice(1, -1).toLowerCase();
  if (!name.startsWith("#")) return ENTITIES[name] ?? match;
  const code = name[1] === "x" ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
  return code <= 0x10_ff_ff ? octetsOf(String.fromCodePoint(code)) : match;
}
