import { type Expression, parseSync } from "oxc-parser";
import { withCuts } from "./cuts.ts";

/** Expressions that bundlers remove anyway if nothing uses their value. */
const REMOVABLE: readonly Expression["type"][] = [
  "Literal",
  "Identifier",
  "ArrowFunctionExpression",
  "FunctionExpression",
];

/**
 * Returns a source whose constants a bundler removes if nothing uses them. It cannot know that the calls in an
 * initializer have no other effect. In Sealpost and its plugins, no constant is there for the effect of its initializer.
 */
export function withRemovableConstants(path: string, text: string): string {
  const cuts = parseSync(path, text).program.body.flatMap((statement) => {
    const declaration = statement.type === "ExportNamedDeclaration" ? statement.declaration : statement;
    if (declaration?.type !== "VariableDeclaration" || declaration.kind !== "const") return [];
    return declaration.declarations.flatMap(({ id, init }) => {
      if (id.type !== "Identifier" || init === null || REMOVABLE.includes(init.type)) return [];
      const { start, end } = init;
      return [
        { start, end: start, by: "/* @__PURE__ */ (() => (" },
        { start: end, end, by: "))()" },
      ];
    });
  });
  return withCuts(text, cuts);
}
