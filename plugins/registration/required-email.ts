import { addressKey, domainOf, matchesName, parseAddress } from "sealpost/plugin";
import * as v from "valibot";

const MOST_CHARACTERS = 2_000;
const EXPECTED =
  "expected example.org, *.example.org, *@example.org or ann-*@example.org, ! in front to exclude, with commas between; no regular expressions";

/**
 * Which addresses may register: patterns with commas or spaces between. `example.org` is every address at that domain,
 * `*.example.org` at those below it; before an `@`, `*` stands for any characters and `?` for one. `!` excludes. A
 * pattern is the whole address, never a part of it. Regular expressions are refused: they are a CPU trap, and
 * forgetting an anchor lets `x@example.org.evil.example` in.
 */
export const requiredEmail = v.pipe(
  v.string("expected a text"),
  v.maxLength(MOST_CHARACTERS, `expected at most ${MOST_CHARACTERS} characters`),
  v.check((text) => wordsOf(text).every((word) => toPattern(word) !== null), EXPECTED),
);

/** Whether an address fits patterns that {@link requiredEmail} has let pass; none: every address does. */
export function isEmailAllowed(patterns: string, email: string): boolean {
  const entries = wordsOf(patterns).flatMap((word) => toPattern(word) ?? []);
  return matchesName(entries, addressKey(email));
}

function wordsOf(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== "");
}

/** A pattern of whole addresses, in the form in which addresses are compared; null if it is none. */
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
