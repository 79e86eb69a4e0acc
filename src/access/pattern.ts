/**
 * Whether a list of entries includes a name. An entry is literal, except for `*` (any characters) and `?` (one
 * character); `!entry` excludes names. An empty list includes every name, and a list of only `!` entries none.
 */
export function matchesName(entries: readonly string[], name: string): boolean {
  if (entries.length === 0) return true;
  let found = false;
  for (const entry of entries) {
    const { negated, rest } = splitNegation(entry, ["!"]);
    if (!matchesWildcard(rest, name)) continue;
    if (negated) return false;
    found = true;
  }
  return found;
}

/** Splits the sign that negates an entry from the rest. */
export function splitNegation(
  entry: string,
  signs: readonly string[],
): { readonly negated: boolean; readonly rest: string } {
  const negated = signs.some((sign) => entry.startsWith(sign));
  return { negated, rest: negated ? entry.slice(1).trim() : entry };
}

/** Matches in time proportional to the product of the lengths; a regular expression could take exponential time. */
export function matchesWildcard(pattern: string, text: string): boolean {
  let patternIndex = 0;
  let textIndex = 0;
  let starIndex = -1;
  let resumeIndex = 0;
  while (textIndex < text.length) {
    const sign = pattern[patternIndex];
    if (sign === "*") {
      starIndex = patternIndex++;
      resumeIndex = textIndex;
    } else if (sign === "?" || sign === text[textIndex]) {
      patternIndex++;
      textIndex++;
    } else if (starIndex >= 0) {
      patternIndex = starIndex + 1;
      textIndex = ++resumeIndex;
    } else return false;
  }
  while (pattern[patternIndex] === "*") patternIndex++;
  return patternIndex === pattern.length;
}
