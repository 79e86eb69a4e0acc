const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g;

/**
 * The first key that stands twice in the outermost object of a JSON text, or null. `JSON.parse` takes the last of
 * such keys silently, and other programs the first.
 * @param text JSON that has been parsed, so it is well formed.
 */
export function repeatedKey(text: string): string | null {
  const seen = new Set<string>();
  let depth = 0;
  let lastString = "";
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === "{" || token === "[") depth++;
    else if (token === "}" || token === "]") depth--;
    else if (token !== ":") lastString = token;
    else if (depth === 1) {
      const key: string = JSON.parse(lastString);
      if (seen.has(key)) return key;
      seen.add(key);
    }
  }
  return null;
}
