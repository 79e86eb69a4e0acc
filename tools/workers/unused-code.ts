import type { UnusedPart } from "./without-parts.ts";

/** Parts of packages' files, by the path of a file in `node_modules`. */
export type UnusedCode = Readonly<Record<string, readonly UnusedPart[]>>;

/** Returns the names of a class's members. @param names separated by blanks. */
export const members = (className: string, names: string) =>
  names.split(" ").map((name) => `${className}.${name}`);

/** Returns a part that a file has twice, such as a getter with its setter. */
export const twice = (part: string): UnusedPart => ({ part, count: 2 });

/** Returns the names of cases of a switch. @param values separated by blanks. */
export const cases = (subject: string, values: string) =>
  values.split(" ").map((value) => `case "${value}" of ${subject}`);
