import { exports as subpaths } from "../../package.json";
import type { Offense, Source } from "./sources.ts";

/** Files of which each reaches all others by imports, types included. */
export function circles(sources: readonly Source[]): readonly (readonly string[])[] {
  const known = new Map(sources.map((source) => [source.path, source]));
  const indexes = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];

  // Tarjan's strongly connected components.
  const visit = (path: string): void => {
    const index = indexes.size;
    indexes.set(path, index);
    lowest.set(path, index);
    stack.push(path);
    for (const { target } of known.get(path)?.imports ?? []) {
      if (target === null || !known.has(target)) continue;
      if (!indexes.has(target)) visit(target);
      if (stack.includes(target)) {
        lowest.set(path, Math.min(lowest.get(path) ?? 0, lowest.get(target) ?? 0));
      }
    }
    if (lowest.get(path) !== index) return;
    const members = stack.splice(stack.indexOf(path));
    if (members.length > 1) found.push(members.sort());
  };
  for (const { path } of sources) if (!indexes.has(path)) visit(path);
  return found.sort();
}

/** The Worker's build puts these files in the place of `smtp.ts` and of LogTape. */
const REPLACEMENTS = ["src/runtime/workers/worker-mailer.ts", "src/runtime/workers/console-log.ts"];
/** The main modules of the Worker's builds, whose classes the platform finds by name. */
const WORKERS = ["src/runtime/workers/object.ts", "src/runtime/workers/worker.ts"];

/** Exported names that no file imports and no door offers. */
export function unusedExports(
  sources: readonly Source[],
  isIn: (source: Source) => boolean,
): readonly Offense[] {
  const used = new Map<string, Set<string> | null>();
  for (const { imports } of sources) {
    for (const { target, names } of imports) {
      if (target === null || used.get(target) === null) continue;
      if (names === null) used.set(target, null);
      else used.set(target, new Set([...(used.get(target) ?? []), ...names]));
    }
  }
  const doors = new Set([...doorFiles(), ...REPLACEMENTS, ...WORKERS]);
  return sources
    .filter((source) => isIn(source) && !doors.has(source.path) && used.get(source.path) !== null)
    .flatMap(({ path, exports }) =>
      [...exports]
        .filter(([name]) => name !== "default" && used.get(path)?.has(name) !== true)
        .map(([name, line]) => ({ path, line, what: name })),
    );
}

/** The source files of the package's subpaths. */
function doorFiles(): Set<string> {
  const scripts = Object.values(subpaths).map((subpath) => subpath.default);
  return new Set(
    scripts.map((script) =>
      script
        .replace(/^\.\/dist\/module\//, "src/")
        .replace(/^\.\/dist\/plugins\//, "plugins/")
        .replace(/\.js$/, ".ts"),
    ),
  );
}
