import { parseSync } from "oxc-parser";
import { type Cut, withCuts } from "./cuts.ts";
import { isJoinedName, JOINED, type WorkerModule } from "./join-start.ts";

/**
 * Lets the joined module export what others import under the names that it has inside: a list of these is shorter by a
 * half. Only after minifying is it known which names those are.
 */
export function shortenExports(modules: readonly WorkerModule[]): readonly WorkerModule[] {
  const joined = modules.find(({ name }) => name === JOINED);
  if (joined === undefined) return modules;
  const inside = new Map<string, string>();
  const shortened = withCuts(joined.text, exportCuts(joined.text, inside));
  return modules.map(({ name, text }) => ({
    name,
    text: name === JOINED ? shortened : withCuts(text, importCuts(text, inside)),
  }));
}

/** @param inside gets the name inside of each export that has another one. */
function exportCuts(text: string, inside: Map<string, string>): readonly Cut[] {
  return parseSync("module.js", text).program.body.flatMap((statement) => {
    if (statement.type !== "ExportNamedDeclaration" || statement.source !== null) return [];
    const { start, end, specifiers } = statement;
    const names = specifiers.map(({ local, exported }) => {
      const [own, given] = [text.slice(local.start, local.end), text.slice(exported.start, exported.end)];
      if (!isJoinedName(given)) return given === own ? own : `${own} as ${given}`;
      inside.set(given, own);
      return own;
    });
    return [{ start, end, by: `export{${[...new Set(names)].join(",")}};` }];
  });
}

function importCuts(text: string, inside: ReadonlyMap<string, string>): readonly Cut[] {
  return parseSync("module.js", text).program.body.flatMap((statement) => {
    if (statement.type !== "ImportDeclaration" || statement.source.value !== `./${JOINED}`) return [];
    return statement.specifiers.flatMap((one) => {
      if (one.type !== "ImportSpecifier") return [];
      const { start, end } = one.imported;
      const name = inside.get(text.slice(start, end));
      return name === undefined ? [] : [{ start, end: one.end, by: `${name} as ${one.local.name}` }];
    });
  });
}
