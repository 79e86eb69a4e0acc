/** Rewrites a phone number. */
export type Rewrite = (phone: string) => string;

/** More than any number has (E.164 has 15 digits), and few enough for every allowed pattern to be fast. */
export const MAX_PHONE_CHARACTERS = 40;
const MAX_CHARACTERS = 200;
/**
 * Maximum number of choices in a pattern: `*`, `+`, `?`, `{2,}` and `|`. From each character, a backtracking matcher tries
 * at most (length of the number) to this power: 40⁴/6 in total, under half a million short steps.
 */
const MAX_CHOICES = 3;
const MAX_GROUPS = 9;

/** `/pattern/replacement/`: the pattern ends at the last slash but one. */
const FORM = /^\/(.*)\/(.*)\/$/s;
/** The pieces of a pattern; anything else is rejected. */
const PIECES: readonly (readonly [kind: Kind, piece: RegExp])[] = [
  ["escape", /\\[dDsSwW.^$*+?()[\]{}|/\\-]/y],
  ["class", /\[\^?(?:\\[dDsSwW.^$*+?()[\]{}|/\\-]|[^\\\][])+\]/y],
  ["open", /\((?:\?:|(?!\?))/y],
  ["close", /\)/y],
  ["or", /\|/y],
  ["exact", /\{\d{1,2}\}/y],
  ["repeat", /(?:[*+?]|\{\d{1,2},(?:\d{1,2})?\})\??/y],
  ["anchor", /[\^$]/y],
  ["literal", /[^\\[\](){}|*+?^$]/y],
];
type Kind = "escape" | "class" | "open" | "close" | "or" | "exact" | "repeat" | "anchor" | "literal";

/**
 * Reads a rewriting rule such as `/^0/+49/`, applied to every match. `\1` to `\9` in the replacement stand for groups.
 * Rejects patterns that could take long (repeated groups, more than three choices, back references and lookaround), and
 * everything outside this small language.
 * @returns the problem with the rule, or the rule.
 */
export function parseRewrite(text: string): { readonly problem: string } | { readonly rewrite: Rewrite } {
  const [whole, source = "", replacement = ""] = FORM.exec(text) ?? [];
  if (whole === undefined) return { problem: "expected /pattern/replacement/" };
  if (text.length > MAX_CHARACTERS) return { problem: `expected at most ${MAX_CHARACTERS} characters` };
  const problem = problemOf(source);
  if (problem !== null) return { problem };
  const pattern = compile(source);
  if (pattern === null) return { problem: "the pattern is not a regular expression" };
  const groups = [...source.matchAll(/\\.|\((?!\?)/gs)].filter(([piece]) => piece === "(").length;
  for (const [, number] of replacement.matchAll(/\\(\d)/g)) {
    if (Number(number) < 1 || Number(number) > groups) return { problem: `there is no group \\${number}` };
  }
  return { rewrite: (phone) => phone.replace(pattern, (...matched) => filled(replacement, matched)) };
}

function problemOf(source: string): string | null {
  let [at, choices, open, groups] = [0, 0, 0, 0];
  let before: Kind | null = null;
  while (at < source.length) {
    const next = pieceAt(source, at);
    if (next === null)
      return `the pattern is not supported from ${JSON.stringify(source.slice(at, at + 10))}`;
    const [kind, length] = next;
    if (kind === "repeat" || kind === "or") choices += 1;
    if (kind === "repeat" || kind === "exact") {
      if (before === "close") return "a repeated group can take very long; repeat a class such as [0-9]";
      if (before === null || before === "open" || before === "or" || before === "anchor") {
        return "there is nothing to repeat before a quantifier";
      }
      if (before === "repeat" || before === "exact") return "a repetition of a repetition can take very long";
    }
    if (kind === "open") [open, groups] = [open + 1, groups + 1];
    if (kind === "close") open -= 1;
    if (open < 0) return "a ) has no (";
    before = kind;
    at += length;
  }
  if (open > 0) return "a ( has no )";
  if (groups > MAX_GROUPS) return `expected at most ${MAX_GROUPS} groups`;
  if (choices > MAX_CHOICES) {
    return `more than ${MAX_CHOICES} of * + ? {n,m} | can take very long`;
  }
  return null;
}

function pieceAt(source: string, at: number): readonly [Kind, number] | null {
  for (const [kind, piece] of PIECES) {
    piece.lastIndex = at;
    const [found] = piece.exec(source) ?? [];
    if (found !== undefined) return [kind, found.length];
  }
  return null;
}

function compile(source: string): RegExp | null {
  try {
    return new RegExp(source, "g");
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function filled(replacement: string, matched: readonly unknown[]): string {
  return replacement.replace(/\\(\d)/g, (_, number: string) => String(matched[Number(number)] ?? ""));
}
