import { type Notice, notice } from "../domain/notices.ts";

/** Limits, because a client can send any number of names of any length. */
const MAX_NOTICES = 20;
const MAX_NAME_CHARACTERS = 64;
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/gu;

/** Returns a notice for each unknown name, with the known name that is closest to it. */
export function unknownParameters(names: Iterable<string>, known: readonly string[]): readonly Notice[] {
  const unknown = [...names].filter((name) => !known.includes(name)).slice(0, MAX_NOTICES);
  return unknown.map((given) => {
    const name = Array.from(given.replace(UNPRINTABLE, " ")).slice(0, MAX_NAME_CHARACTERS).join("");
    return notice("unknown_parameter", name, { name, nearest: nearestTo(name, known) });
  });
}

/** The known name with the fewest edits, ignoring case. */
function nearestTo(name: string, known: readonly string[]): string {
  const edits = new Map(known.map((one) => [one, editsBetween(name.toLowerCase(), one.toLowerCase())]));
  return [...edits].toSorted(([, left], [, right]) => left - right)[0]?.[0] ?? "";
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
