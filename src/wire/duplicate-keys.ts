const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g;

/**
 * The first key that stands twice in one object of a JSON text, or null. `JSON.parse` takes the last of such keys
 * silently, and other programs the first.
 * @param text JSON that has been parsed, so it is well formed.
 */
export function duplicateKey(text: string): string | null {
  const open: Set<string>[] = [];
  let lastString = "";
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === "{" || token === "[") open.push(new Set());
    else if (token === "}" || token === "]") open.pop();
    else if (token !== ":") lastString = token;
    else {
      const key: string = JSON.parse(lastString);
      const seen = open.at(-1);
      if (seen?.has(key)) return key;
      seen?.add(key);
    }
  }
  return null;
}
