import { type Class, parseSync, Visitor } from "oxc-parser";
import { type Cut, type Span, withCuts } from "./cuts.ts";

/** Name of a part that a script has once, or as often as `count` says. */
export type UnusedPart = string | { readonly part: string; readonly count: number };

/** Prefix of a part whose replacement does nothing, because it is reached. Others throw if they are. */
const SILENT = "void ";

/**
 * Returns a script without the named parts. No bundler finds out that a method is never called, or a condition never
 * true.
 *
 * | name | part |
 * | --- | --- |
 * | `Class.method`, `Class.#method`, `A.prototype.method` | the method, or the assignment |
 * | `Class.method()`, `function()` | the body of the method or the function, which throws |
 * | `if (condition)` | the statement for a condition that is true, which throws |
 * | `case "value" of subject`, `default of subject` | the case of `switch (subject)` |
 * | `void function()`, `void if (condition)` | likewise, but nothing throws |
 *
 * @throws {Error} if the script has no such part, or another count, as after an update of a package.
 */
export function withoutParts(text: string, parts: readonly UnusedPart[]): string {
  const counts = new Map(
    parts.map((part) =>
      typeof part === "string" ? ([part, 1] as const) : ([part.part, part.count] as const),
    ),
  );
  const cuts = cutsOf(text, new Set(counts.keys()));
  const foundOf = (name: string) => cuts.get(name)?.length ?? 0;
  const wrong = [...counts].filter(([name, count]) => foundOf(name) !== count);
  if (wrong.length > 0) {
    const found = wrong.map(([name, count]) => `${name} (${foundOf(name)} found, ${count} expected)`);
    throw new Error(`Cannot leave out: ${found.join(", ")}`);
  }
  return withCuts(text, [...cuts.values()].flat());
}

function cutsOf(text: string, names: ReadonlySet<string>): ReadonlyMap<string, readonly Cut[]> {
  const cuts = new Map<string, Cut[]>();
  const cut = (name: string, { start, end }: Span, by = "") => {
    if (names.has(name)) cuts.set(name, [...(cuts.get(name) ?? []), { start, end, by }]);
  };
  const cutBody = (name: string, body: Span, start = "") => {
    cut(name, body, `${start}{ ${THROWING} }`);
    cut(SILENT + name, body, `${start}{}`);
  };
  const cutMembers = (className: string, { body }: Class) => {
    for (const member of body.body) {
      if (!("key" in member)) continue;
      const name = `${className}.${text.slice(member.key.start, member.key.end)}`;
      cut(name, member);
      if (member.type === "MethodDefinition" && member.value.body) cutBody(`${name}()`, member.value.body);
    }
  };
  new Visitor({
    ClassDeclaration(node) {
      if (node.id) cutMembers(node.id.name, node);
    },
    VariableDeclarator({ id, init }) {
      if (id.type !== "Identifier") return;
      if (init?.type === "ClassExpression") cutMembers(id.name, init);
      if (init?.type === "ArrowFunctionExpression") cutBody(`${id.name}()`, init, "() => ");
    },
    FunctionDeclaration({ id, body }) {
      if (id && body) cutBody(`${id.name}()`, body);
    },
    ExpressionStatement(node) {
      const { expression } = node;
      if (expression.type !== "AssignmentExpression") return;
      cut(text.slice(expression.left.start, expression.left.end), node);
    },
    IfStatement({ start, end, test, consequent, alternate }) {
      const name = `if (${text.slice(test.start, test.end)})`;
      cut(name, consequent, THROWING);
      cut(SILENT + name, { start, end: alternate?.start ?? end }, alternate ? "" : "{}");
    },
    SwitchStatement({ discriminant, cases }) {
      const subject = text.slice(discriminant.start, discriminant.end);
      for (const node of cases) {
        const value = node.test ? `case ${text.slice(node.test.start, node.test.end)}` : "default";
        cut(`${value} of ${subject}`, node);
      }
    },
  }).visit(parseSync("package.js", text).program);
  return cuts;
}

/** The statement in the place of a part that must not be reached. The stack of the error has the place. */
const THROWING = 'throw Error("Left out of the Worker");';
