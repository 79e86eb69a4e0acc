const SECRET = "[secret]";

/**
 * Secrets shorter than this occur in many words by chance, and replacing them there would reveal their letters. A text
 * in which one is a whole word is withheld instead.
 */
const MIN_LONG_CHARACTERS = 4;

/** RFC 4648 4 and 5: two characters can encode one octet. */
const BASE64_RUN = /[A-Za-z0-9+/_-]{2,}={0,2}/g;
const WORD = /[^\s"'<>()[\]{},;:=]+/g;

interface Range {
  readonly from: number;
  readonly to: number;
}

/** Creates a function that replaces two credentials in texts, in plain and in base64 form. */
export function redactor(username: string, password: string): (text: string) => string {
  const secrets = [username, password].filter((secret) => secret !== "");
  if (secrets.length === 0) return (text) => text;
  const long = secrets.filter((secret) => secret.length >= MIN_LONG_CHARACTERS).map((s) => s.toLowerCase());
  const short = new Set(secrets.filter((secret) => secret.length < MIN_LONG_CHARACTERS));
  const encoded = new Set([...short].map(unpadded));
  // The message of AUTH PLAIN (RFC 4616), which holds short secrets as well.
  const plain = `\0${username}\0${password}`.toLowerCase();
  return (text) => {
    if (standsAlone(text, short, encoded)) return SECRET;
    return replace(text, [...plainRanges(text, long), ...base64Ranges(text, [...long, plain])]);
  };
}

function standsAlone(text: string, short: ReadonlySet<string>, encoded: ReadonlySet<string>): boolean {
  if (short.size === 0) return false;
  const words = text.match(WORD) ?? [];
  const bare = words.map((word) => word.replace(/^[.!?`]+|[.!?`]+$/g, ""));
  if ([...words, ...bare].some((word) => short.has(word))) return true;
  return (text.match(BASE64_RUN) ?? []).some((run) => encoded.has(run.replace(/=+$/, "")));
}

function plainRanges(text: string, secrets: readonly string[]): Range[] {
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
  const ranges: Range[] = [];
  for (const match of text.matchAll(BASE64_RUN)) {
    // The run may start with characters that do not belong to the encoding.
    const decoded = [0, 1, 2, 3].map((skip) => decode(match[0].slice(skip)));
    if (decoded.some((octets) => secrets.some((secret) => octets.includes(secret)))) {
      ranges.push({ from: match.index, to: match.index + match[0].length });
    }
  }
  return ranges;
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
