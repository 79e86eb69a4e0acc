import { type Class, parseSync, Visitor } from "oxc-parser";

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Text to replace. */
interface Cut extends Span {
  readonly by: string;
}

/**
 * Returns a script without the named parts. No bundler finds out that a method is never called, or a condition never
 * true.
 *
 * | name | part |
 * | --- | --- |
 * | `Class.method`, `Class.#method`, `A.prototype.method` | the method, or the assignment |
 * | `Class.method()`, `function()` | the body of the method or the function |
 * | `if (condition)` | the statement, of which the part after `else` remains |
 * | `case "value" of subject`, `default of subject` | the case of `switch (subject)` |
 *
 * @throws {Error} if the script has no such part, as after an update of a package.
 */
export function withoutParts(text: string, names: readonly string[]): string {
  const cuts = cutsOf(text, new Set(names));
  const missing = names.filter((name) => !cuts.has(name));
  if (missing.length > 0) throw new Error(`No part to leave out: ${missing.join(", ")}`);
  // From the end, so that positions stay true. A part inside another goes with it.
  const sorted = [...cuts.values()].flat().toSorted((left, right) => right.start - left.start);
  const outer = sorted.filter(({ start }, at) => !sorted.slice(at + 1).some(({ end }) => start < end));
  return outer.reduce((lean, { start, end, by }) => lean.slice(0, start) + by + lean.slice(end), text);
}

function cutsOf(text: string, names: ReadonlySet<string>): ReadonlyMap<string, readonly Cut[]> {
  const cuts = new Map<string, Cut[]>();
  const cut = (name: string, { start, end }: Span, by = "") => {
    if (names.has(name)) cuts.set(name, [...(cuts.get(name) ?? []), { start, end, by }]);
  };
  const cutMembers = (className: string, { body }: Class) => {
    for (const member of body.body) {
      if (!("key" in member)) continue;
      const name = `${className}.${text.slice(member.key.start, member.key.end)}`;
      cut(name, member);
      if (member.type === "MethodDefinition" && member.value.body) cut(`${name}()`, member.value.body, "{}");
    }
  };
  new Visitor({
    ClassDeclaration(node) {
      if (node.id) cutMembers(node.id.name, node);
    },
    VariableDeclarator({ id, init }) {
      if (id.type !== "Identifier") return;
      if (init?.type === "ClassExpression") cutMembers(id.name, init);
      if (init?.type === "ArrowFunctionExpression") cut(`${id.name}()`, init, "() => {}");
    },
    FunctionDeclaration({ id, body }) {
      if (id && body) cut(`${id.name}()`, body, "{}");
    },
    ExpressionStatement(node) {
      const { expression } = node;
      if (expression.type !== "AssignmentExpression") return;
      cut(text.slice(expression.left.start, expression.left.end), node);
    },
    IfStatement({ start, end, test, alternate }) {
      const name = `if (${text.slice(test.start, test.end)})`;
      cut(name, { start, end: alternate?.start ?? end }, alternate ? "" : "{}");
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
