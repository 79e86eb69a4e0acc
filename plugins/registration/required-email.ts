import { addressKey, domainOf, matchesName, parseAddress } from "sealpost/plugin";
import * as v from "valibot";

const MAX_CHARACTERS = 2_000;
const EXPECTED =
  "expected example.org, *.example.org, *@example.org or ann-*@example.org, ! in front to exclude, with commas between; no regular expressions";

/**
 * Schema of the addresses that may register: patterns separated by commas or spaces. `example.org` matches every address
 * in that domain, `*.example.org` those in its subdomains. Before an `@`, `*` stands for any characters and `?` for one.
 * `!` excludes. A pattern matches the whole address. Regular expressions are rejected: they can exhaust the CPU, and a
 * missing anchor lets `x@example.org.evil.example` in.
 */
export const requiredEmail = v.pipe(
  v.string("expected a text"),
  v.maxLength(MAX_CHARACTERS, `expected at most ${MAX_CHARACTERS} characters`),
  v.check((text) => wordsOf(text).every((word) => toPattern(word) !== null), EXPECTED),
);

/** Whether an address matches valid patterns of {@link requiredEmail}. Without patterns, every address does. */
export function isEmailAllowed(patterns: string, email: string): boolean {
  const entries = wordsOf(patterns).flatMap((word) => toPattern(word) ?? []);
  return matchesName(entries, addressKey(email));
}

function wordsOf(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== "");
}

/** Returns a pattern of whole addresses in their comparable form; `null` if the word is not a pattern. */
function toPattern(word: string): string | null {
  const [sign, rest] = word.startsWith("!") ? ["!", word.slice(1)] : ["", word];
  const at = rest.lastIndexOf("@");
  const local = at < 0 ? "*" : rest.slice(0, at);
  const domain = rest.slice(at + 1);
  const isBelow = domain.startsWith("*.");
  const address = parseAddress(`${local}@${isBelow ? domain.slice(2) : domain}`);
  if (address === null || local.includes("/")) return null;
  return `${sign}${addressKey(`${local.normalize("NFC")}@${isBelow ? "*." : ""}${domainOf(address)}`)}`;
}
