const SECRET = "[secret]";

/**
 * Secrets shorter than this stand in many words by chance. Replacing those would give them away letter by
 * letter, so a text in which one stands alone is withheld as a whole.
 */
const SHORT_CHARACTERS = 4;

// RFC 4648 4 and 5; the shortest run that can hold one octet.
const BASE64_RUN = /[A-Za-z0-9+/_-]{2,}={0,2}/g;
const WORD = /[^\s"'<>()[\]{},;:=]+/g;

interface Range {
  readonly from: number;
  readonly to: number;
}

/** Makes a function that takes the plain and base64 forms of two credentials out of texts. */
export function redactor(username: string, password: string): (text: string) => string {
  const secrets = [username, password].filter((secret) => secret !== "");
  if (secrets.length === 0) return (text) => text;
  const long = secrets.filter((secret) => secret.length >= SHORT_CHARACTERS).map((s) => s.toLowerCase());
  const short = new Set(secrets.filter((secret) => secret.length < SHORT_CHARACTERS));
  const encoded = new Set([...short].map(unpadded));
  // RFC 4616: what AUTH PLAIN sends, which holds short secrets too.
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
  // A character whose lower case is longer would shift every position after it.
  const searched = lower.length === text.length ? lower : text;
  const ranges: Range[] = [];
  for (const secret of secrets) {
    for (let at = searched.indexOf(secret); at >= 0; at = searched.indexOf(secret, at + 1)) {
      ranges.push({ from: at, to: at + secret.length });
    }
  }
  return ranges;
}

/** A run counts as a whole: from any octet of a secret on, its neighbours give away the rest. */
function base64Ranges(text: string, secrets: readonly string[]): Range[] {
  const ranges: Range[] = [];
  for (const match of text.matchAll(BASE64_RUN)) {
    // The run may begin with characters that are not part of the encoding.
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
