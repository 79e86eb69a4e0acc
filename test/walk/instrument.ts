import { Visitor } from "oxc-parser";
import { parse } from "../../tools/gate/sources.ts";

/** Returns the text of a file that calls `__entered` whenever it is evaluated or one of its functions is entered. */
export function instrument(path: string, text: string): string {
  const call = `__entered(${JSON.stringify(path)})`;
  const inserts: { readonly at: number; readonly code: string }[] = [];
  const wrap = ({ start, end }: { start: number; end: number }) => {
    inserts.push({ at: start, code: `(${call}, ` }, { at: end, code: ")" });
  };
  const enter = ({ body }: { body: { type: string; start: number; end: number } | null }) => {
    if (body === null) return;
    if (body.type === "BlockStatement" || body.type === "FunctionBody") {
      inserts.push({ at: body.start + 1, code: ` ${call};` });
    } else {
      wrap(body);
    }
  };
  new Visitor({
    FunctionDeclaration: enter,
    FunctionExpression: enter,
    ArrowFunctionExpression: enter,
    // Fields are evaluated without a function: for each new object, or once with the class.
    PropertyDefinition: ({ value }) => {
      if (value !== null) wrap(value);
    },
  }).visit(parse(path, text).program);

  let result = `${call};`;
  let last = 0;
  // Of two at one offset the one found last is the inner one.
  for (const { at, code } of inserts.toSorted((left, right) => left.at - right.at)) {
    result += text.slice(last, at) + code;
    last = at;
  }
  return result + text.slice(last);
}
