/**
 * Returns the known name with the fewest edits, ignoring case: the one that was probably meant.
 * @returns an empty text if no name is known.
 */
export function nearestTo(name: string, known: readonly string[]): string {
  const edits = new Map(known.map((one) => [one, editsBetween(name.toLowerCase(), one.toLowerCase())]));
  return [...edits].toSorted(([, left], [, right]) => left - right)[0]?.[0] ?? "";
}

/** Edits of a misspelled name. More make another word of it. */
const MAX_EDITS = 2;

/** Returns `, did you mean <name>?` if a known name is close, otherwise an empty text. */
export function suggestion(name: string, known: readonly string[]): string {
  const nearest = nearestTo(name, known);
  const isClose = nearest !== "" && editsBetween(name.toLowerCase(), nearest.toLowerCase()) <= MAX_EDITS;
  return isClose ? `, did you mean ${nearest}?` : "";
}

/** Levenshtein distance: the number of letters to insert, delete or replace. */
function editsBetween(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [index, letter] of Array.from(from).entries()) {
    const next = [index + 1];
    for (let column = 1; column <= to.length; column++) {
      const replaced = (row[column - 1] ?? 0) + (letter === to[column - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
