import { parseSync, Visitor } from "oxc-parser";
import type { Span } from "./cuts.ts";

/** Most characters of a function that is moved to its only use, with what is moved into it. */
const MAX_MOVED = 2_500;

/**
 * Returns the names of the functions of a module that are used once and too long to be moved there. Functions inside a
 * function are read again when an isolate compiles it, so if the parts of an instance were all inside each other, its
 * start would read most of the module several times.
 */
export function largeFunctions(text: string): readonly string[] {
  const { program } = parseSync("module.js", text);
  /** Positions by name. A variable inside a function may have the name too, which then seems to be used more often. */
  const positions = new Map<string, number[]>();
  new Visitor({
    Identifier({ name, start }) {
      positions.set(name, [...(positions.get(name) ?? []), start]);
    },
  }).visit(program);
  const usedOnce = program.body.flatMap((statement) => {
    if (statement.type !== "FunctionDeclaration" || statement.id === null) return [];
    const { start, end, id } = statement;
    const [use, ...others] = (positions.get(id.name) ?? []).filter((at) => at < start || at >= end);
    return use === undefined || others.length > 0 ? [] : [{ name: id.name, start, end, use }];
  });

  const large: string[] = [];
  const lengthOf = ({ start, end }: Span): number => {
    let length = end - start;
    for (const one of usedOnce) {
      if (one.use < start || one.use >= end) continue;
      const moved = lengthOf(one);
      if (moved > MAX_MOVED) large.push(one.name);
      else length += moved;
    }
    return length;
  };
  const starts = new Set(usedOnce.map(({ start }) => start));
  for (const statement of program.body) if (!starts.has(statement.start)) lengthOf(statement);
  return large;
}
