/**
 * Whether a name is meant by a list of entries. An entry is meant literally, but for `*` (any characters) and `?`
 * (one character); `!entry` takes names out. An empty list means everybody; a list of only `!` entries, nobody.
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

/** Takes the sign that negates an entry off its front. */
export function splitNegation(
  entry: string,
  signs: readonly string[],
): { readonly negated: boolean; readonly rest: string } {
  const negated = signs.some((sign) => entry.startsWith(sign));
  return { negated, rest: negated ? entry.slice(1).trim() : entry };
}

/** Matches in time proportional to the product of the lengths: a regular expression would be a CPU trap. */
export function matchesWildcard(pattern: string, text: string): boolean {
  let patternAt = 0;
  let textAt = 0;
  let starAt = -1;
  let resumeAt = 0;
  while (textAt < text.length) {
    const sign = pattern[patternAt];
    if (sign === "*") {
      starAt = patternAt++;
      resumeAt = textAt;
    } else if (sign === "?" || sign === text[textAt]) {
      patternAt++;
      textAt++;
    } else if (starAt >= 0) {
      patternAt = starAt + 1;
      textAt = ++resumeAt;
    } else return false;
  }
  while (pattern[patternAt] === "*") patternAt++;
  return patternAt === pattern.length;
}
