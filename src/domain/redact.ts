const SECRET = "[secret]";

/**
 * Secrets shorter than this occur in many words by chance, and replacing them there would reveal their letters. A text
 * in which one is a whole word is withheld instead.
 */
const MIN_LONG_CHARACTERS = 4;

/** RFC 4648 4 and 5: two characters can encode one octet. */
const BASE64_RUN = /[A-Za-z0-9+/_-]{2,}={0,2}/g;
/** Text that needs no cleaning, as in nearly every reply. */
const PLAIN_TEXT = /^[ -~]{0,500}$/;
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]+/gu;
const MAX_TEXT_CHARACTERS = 500;
/** RFC 6750 2.1. */
const TOKEN_RUN = /[A-Za-z0-9._~+/-]{2,}=*/g;
/** Shorter parts of a token occur in other texts by chance. */
const PART_CHARACTERS = 12;
/** The search for parts would keep the process busy over a whole response, of which 500 characters are shown. */
const MAX_SEARCHED_CHARACTERS = 4_000;
const WORD = /[^\s"'<>()[\]{},;:=]+/g;

interface Range {
  readonly from: number;
  readonly to: number;
}

/** Creates a function that replaces two credentials in texts, in every form that `secretRedactor` knows. */
export function redactor(username: string, password: string): (text: string) => string {
  // The message of AUTH PLAIN (RFC 4616), which holds short secrets as well.
  return secretRedactor([username, password], [`\0${username}\0${password}`]);
}

/**
 * Creates a function that replaces secrets in texts: in plain, percent-encoded and base64 form.
 * @param encoded texts that are replaced in base64 form only.
 */
export function secretRedactor(
  secrets: readonly string[],
  encoded: readonly string[] = [],
): (text: string) => string {
  const given = secrets.filter((secret) => secret !== "");
  if (given.length === 0) return (text) => text;
  const long = given.filter((secret) => secret.length >= MIN_LONG_CHARACTERS).map((s) => s.toLowerCase());
  const short = new Set(given.filter((secret) => secret.length < MIN_LONG_CHARACTERS));
  const shortBase64 = new Set([...short].map(unpadded));
  const plain = new Set(long.flatMap((secret) => [secret, ...percentEncoded(secret)]));
  const inBase64 = [...long, ...encoded.map((text) => text.toLowerCase())];
  return (text) => {
    if (standsAlone(text, short, shortBase64)) return SECRET;
    return replace(text, [...plainRanges(text, plain), ...base64Ranges(text, inBase64)]);
  };
}

/** Creates a function that replaces a username, and an access token as {@link partRedactor} does. */
export function tokenRedactor(username: string, accessToken: string): (text: string) => string {
  const redactUser = secretRedactor([username]);
  // The end of the exchange by XOAUTH2 and OAUTHBEARER.
  const redactToken = partRedactor(accessToken, `\x01auth=bearer ${accessToken}\x01\x01`);
  return (text) => redactToken(redactUser(text));
}

/**
 * Creates a function that replaces a secret in texts, and also parts of it: servers shorten and break what they repeat.
 * It drops what is behind the first 4,000 characters.
 * @param encoded a text with the secret, of which parts are replaced in base64 form.
 */
export function partRedactor(secret: string, encoded = secret): (text: string) => string {
  const redact = secretRedactor([secret]);
  const [inPlain, inBase64] = [secret.toLowerCase(), encoded.toLowerCase()];
  return (text) => {
    const redacted = redact(text.slice(0, MAX_SEARCHED_CHARACTERS));
    const plain = runsWhere(redacted, TOKEN_RUN, (run) => sharesPart(run.toLowerCase(), inPlain));
    const base64 = runsWhere(redacted, BASE64_RUN, (run) =>
      decodings(run).some((octets) => sharesPart(octets, inBase64)),
    );
    return replace(redacted, [...plain, ...base64]);
  };
}

/** Returns text of a server that is safe to show: without secrets and control characters, at most 500 characters. */
export function presentText(text: string, redact: (text: string) => string): string {
  const redacted = redact(text);
  if (PLAIN_TEXT.test(redacted)) return redacted.trim();
  const clean = redacted.replace(UNPRINTABLE, " ").trim();
  return Array.from(clean).slice(0, MAX_TEXT_CHARACTERS).join("");
}

/** Returns a secret as a URL and as a form has it (WHATWG URL, application/x-www-form-urlencoded). */
function percentEncoded(secret: string): readonly string[] {
  const form = new URLSearchParams([["", secret]]).toString().slice("=".length);
  return [encodeURIComponent(secret.toWellFormed()), form].map((text) => text.toLowerCase());
}

function standsAlone(text: string, short: ReadonlySet<string>, encoded: ReadonlySet<string>): boolean {
  if (short.size === 0) return false;
  const words = text.match(WORD) ?? [];
  const bare = words.map((word) => word.replace(/^[.!?`]+|[.!?`]+$/g, ""));
  if ([...words, ...bare].some((word) => short.has(word))) return true;
  return (text.match(BASE64_RUN) ?? []).some((run) => encoded.has(run.replace(/=+$/, "")));
}

function plainRanges(text: string, secrets: ReadonlySet<string>): Range[] {
  const lower = text.toLowerCase();
  // A character with a longer lower case would shift every index after it.
  const searched = lower.length === text.length ? lower : text;
  const ranges: Range[] = [];
  for (const secret of secrets) {
    for (let from = searched.indexOf(secret); from >= 0; from = searched.indexOf(secret, from + 1)) {
      ranges.push({ from, to: from + secret.length });
    }
  }
  return ranges;
}

/** Returns whole runs, because the characters next to an encoded secret reveal part of it. */
function base64Ranges(text: string, secrets: readonly string[]): Range[] {
  return runsWhere(text, BASE64_RUN, (run) =>
    decodings(run).some((octets) => secrets.some((secret) => octets.includes(secret))),
  );
}

/** Returns the matches of a pattern that fulfill a condition. */
function runsWhere(text: string, pattern: RegExp, condition: (run: string) => boolean): Range[] {
  const runs = [...text.matchAll(pattern)].filter(([run]) => condition(run));
  return runs.map(({ 0: run, index }) => ({ from: index, to: index + run.length }));
}

/** Returns all readings of a run, which may start with characters that do not belong to the encoding. */
function decodings(run: string): readonly string[] {
  return [0, 1, 2, 3].map((skip) => decode(run.slice(skip)));
}

/** Whether a text has a part of the secret. */
function sharesPart(text: string, secret: string): boolean {
  for (let from = 0; from + PART_CHARACTERS <= text.length; from++) {
    if (secret.includes(text.slice(from, from + PART_CHARACTERS))) return true;
  }
  return false;
}

function replace(text: string, ranges: readonly Range[]): string {
  let result = "";
  let end = 0;
  for (const { from, to } of ranges.toSorted((a, b) => a.from - b.from)) {
    if (from >= end) result += `${text.slice(end, from)}${SECRET}`;
    end = Math.max(end, to);
  }
  return result + text.slice(end);
}

function decode(base64: string): string {
  return Buffer.from(base64, "base64").toString("utf8").toLowerCase();
}

function unpadded(secret: string): string {
  return Buffer.from(secret, "utf8").toString("base64").replace(/=+$/, "");
}
