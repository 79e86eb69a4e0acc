import { parseSync, Visitor } from "oxc-parser";
import { type Cut, type LeanSource, withCuts } from "./cuts.ts";

const DRIZZLE = "drizzle-orm/sqlite-core";
/** Methods of columns that queries do not depend on. */
const METHODS = ["notNull", "unique", "references", "primaryKey"];
const TABLE = "sqliteTable";

/** Names of the parts that the sources have somewhere. */
export const CONSTRAINTS: readonly string[] = [
  ...METHODS.map((name) => `.${name}()`),
  `constraints of ${TABLE}()`,
];

/**
 * Returns a source without the constraints of its tables, which only the compiler and Drizzle's own migrations read. The
 * constraints of a database are those of Sealpost's migrations.
 */
export function withoutConstraints(path: string, text: string): LeanSource {
  const { program, module } = parseSync(path, text);
  const cuts: Cut[] = [];
  const found = new Set<string>();
  if (!module.staticImports.some(({ moduleRequest }) => moduleRequest.value === DRIZZLE))
    return { text, found };
  const cut = (name: string, start: number, end: number) => {
    found.add(name);
    cuts.push({ start, end, by: "" });
  };
  new Visitor({
    CallExpression({ callee, end, arguments: [, columns, constraints] }) {
      if (callee.type === "Identifier" && callee.name === TABLE && columns && constraints)
        cut(`constraints of ${TABLE}()`, columns.end, constraints.end);
      if (callee.type !== "MemberExpression" || callee.property.type !== "Identifier") return;
      const { name } = callee.property;
      if (METHODS.includes(name)) cut(`.${name}()`, callee.object.end, end);
    },
  }).visit(program);
  return { text: withCuts(text, cuts), found };
}
