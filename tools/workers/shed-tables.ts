import type { BunPlugin } from "bun";
import { fileOfPackage } from "./shed-parts.ts";

/** Characters by what they look like. */
type LookAlikes = Readonly<Record<string, string>>;

/** A table in a form that gzip makes a quarter of. */
interface PackedLookAlikes {
  /** Distance of each character from the one before: a letter, or `~`, base 36 and a blank. A number repeats the one before it. */
  readonly steps: string;
  /** The looks: printable ASCII as it is, and other code points in two or more digits of base 32. */
  readonly values: string;
}

/** The common passwords. A third of them are dates, such as `31121999`. */
interface PackedPasswords {
  /** Those that are no dates: a capital letter for the length of what a line has in common with the one before starts it. */
  readonly lines: string;
  /** Days from each date to the next, as a character. `~` has no date, so that more days follow. */
  readonly steps: string;
}

/** Packs tables in forms that gzip makes less of. Whatever looks something up there finds the same. */
export const shedTables: BunPlugin = {
  name: "shed tables",
  setup(build) {
    build.onLoad({ filter: fileOfPackage("unhomoglyph/data.json") }, async ({ path }) => {
      const packed = packLookAlikes(await Bun.file(path).json());
      return { contents: `module.exports = (${unpackLookAlikes})(${JSON.stringify(packed)});`, loader: "js" };
    });
    build.onLoad({ filter: /\/src\/access\/common-passwords\.txt$/ }, async ({ path }) => {
      const packed = packPasswords(await Bun.file(path).text());
      return { contents: `export default (${unpackPasswords})(${JSON.stringify(packed)});`, loader: "js" };
    });
  },
};

/** @throws {Error} if the table does not come back the same. */
function packLookAlikes(table: LookAlikes): PackedLookAlikes {
  const rows = Object.entries(table).filter(([character]) => isNormal(character));
  const sorted = rows
    .map(([character, value]) => ({ point: character.codePointAt(0) ?? 0, value }))
    .toSorted((left, right) => left.point - right.point);
  const steps = sorted.map(({ point }, index) => packStep(point - (sorted[index - 1]?.point ?? 0)));
  const packed = {
    steps: steps.join("").replace(/([a-z]|~\w+ )\1{3,}/g, (run, step) => step + run.length / step.length),
    values: sorted.map(({ value }) => [...value].map(packCharacter).join()).join(" "),
  };
  if (!Bun.deepEquals(unpackLookAlikes(packed), Object.fromEntries(rows)))
    throw new Error("The look-alikes cannot be packed");
  return packed;
}

/** Whether a character occurs in names as they are looked up: those of `src/plugin/look-alikes.ts` are normalized before. */
function isNormal(character: string): boolean {
  return character.normalize("NFKC").normalize("NFD") === character;
}

function packStep(step: number): string {
  return step < 26 ? String.fromCharCode(97 + step) : `~${step.toString(36)} `;
}

function packCharacter(character: string): string {
  const isKept = /^[!-~]$/.test(character) && character !== ",";
  return isKept ? character : (character.codePointAt(0) ?? 0).toString(32).padStart(2, "0");
}

/** Part of the bundle, as is {@link unpackPasswords}: it uses nothing but its parameter. */
function unpackLookAlikes({ steps, values }: PackedLookAlikes): LookAlikes {
  const unpack = (one: string) => (one[1] ? String.fromCodePoint(Number.parseInt(one, 32)) : one);
  const looks = values.split(" ").values();
  const table: Record<string, string> = {};
  let point = 0;
  for (const [, step = "", count] of steps.matchAll(/([a-z]|~\w+ )(\d*)/g)) {
    for (let left = Number(count) || 1; left > 0; left--) {
      point += step[1] ? Number.parseInt(step.slice(1), 36) : step.charCodeAt(0) - 97;
      table[String.fromCodePoint(point)] = `${looks.next().value}`.split(",").map(unpack).join("");
    }
  }
  return table;
}

/** @throws {Error} if the list does not come back the same. */
function packPasswords(text: string): PackedPasswords {
  const passwords = text.split("\n").slice(0, -1);
  const days = passwords.map(dayOf).filter((day) => day !== null);
  const others = passwords.filter((password) => dayOf(password) === null);
  const packed = { lines: packLines(others), steps: packDays(days) };
  if (unpackPasswords(packed) !== text) throw new Error("The list cannot be packed");
  return packed;
}

/** Returns the day of a date in the form of a password, counted from the last one of 1899; `null` if it is none. */
function dayOf(password: string): number | null {
  const [, day, month, year] = /^(\d\d)(\d\d)((?:19|20)\d\d)$/.exec(password) ?? [];
  if (year === undefined) return null;
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`);
  if (date.getUTCDate() !== Number(day)) return null;
  return (date.getTime() - Date.UTC(1899, 11, 31)) / 86_400_000;
}

function packLines(lines: readonly string[]): string {
  let previous = "";
  const packed = lines.map((line) => {
    let length = 0;
    while (length < 25 && length < line.length && line[length] === previous[length]) length++;
    previous = line;
    return String.fromCharCode(65 + length) + line.slice(length);
  });
  return packed.join("");
}

function packDays(days: readonly number[]): string {
  let last = 0;
  const steps = days
    .toSorted((left, right) => left - right)
    .map((day) => {
      const step = day - last;
      last = day;
      return "~".repeat(Math.floor(step / 91)) + String.fromCharCode(35 + (step % 91));
    });
  return steps.join("");
}

function unpackPasswords({ lines, steps }: PackedPasswords): string {
  let line = "";
  let day = 0;
  const passwords = lines.split(/(?=[A-Z])/).map((step) => {
    line = line.slice(0, step.charCodeAt(0) - 65) + step.slice(1);
    return line;
  });
  for (const step of steps) {
    day += step.charCodeAt(0) - 35;
    const [date = ""] = new Date(Date.UTC(1900, 0, day)).toISOString().split("T");
    if (step !== "~") passwords.push(date.split("-").reverse().join(""));
  }
  return `${passwords.sort().join("\n")}\n`;
}
