import { dirname, join, normalize } from "node:path";
import { Glob } from "bun";
import { type Comment, type Program, parseSync, Visitor } from "oxc-parser";
import { compilerOptions } from "../../tsconfig.json";

/** One place that breaks a rule. */
export interface Offense {
  readonly path: string;
  readonly line: number;
  readonly what: string;
}

export const ROOT = join(import.meta.dir, "..", "..");

/** One import or re-export of a file. */
export interface Import {
  readonly specifier: string;
  /** The file it leads to, relative to the root; `null` for a package. */
  readonly target: string | null;
  /** The imported names; `null` if any name may be used, as with `import * as`. */
  readonly names: readonly string[] | null;
  /** Whether it vanishes when the types are stripped. */
  readonly isType: boolean;
  readonly line: number;
}

export interface Source {
  /** Relative to the root, such as `src/mail/submit.ts`. */
  readonly path: string;
  readonly text: string;
  readonly lines: number;
  readonly program: Program;
  readonly comments: readonly Comment[];
  readonly imports: readonly Import[];
  /** Exported names with their lines; `default` is one. */
  readonly exports: ReadonlyMap<string, number>;
  /** 1-based line of an offset. */
  lineAt(offset: number): number;
}

const FOLDERS = "{src,plugins,test,bench,tools}/**/*.{ts,tsx}";

/** Reads and parses every TypeScript file, declarations of others' modules left out. */
export async function readSources(): Promise<readonly Source[]> {
  const paths = [...new Glob(FOLDERS).scanSync(ROOT), ...new Glob("*.ts").scanSync(ROOT)];
  const wanted = paths.filter((path) => !path.endsWith(".d.ts")).sort();
  return Promise.all(wanted.map(async (path) => parse(path, await Bun.file(join(ROOT, path)).text())));
}

/** @throws {Error} if the file has a syntax error. */
export function parse(path: string, text: string): Source {
  const { program, comments, module, errors } = parseSync(path, text);
  if (errors[0] !== undefined) throw new Error(`${path}: ${errors[0].message}`);
  const starts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
  const lineAt = (offset: number) => starts.findLastIndex((start) => start <= offset) + 1;
  const imports: Import[] = [];
  const exports = new Map<string, number>();
  const add = (specifier: string, names: readonly string[] | null, isType: boolean, offset: number) =>
    imports.push({ specifier, target: resolve(path, specifier), names, isType, line: lineAt(offset) });

  for (const { moduleRequest, entries, start } of module.staticImports) {
    const isWhole = entries.some(({ importName }) => importName.kind === "NamespaceObject");
    const names = entries.map(({ importName }) => importName.name ?? "default");
    const isType = entries.length > 0 && entries.every((entry) => entry.isType);
    add(moduleRequest.value, isWhole ? null : names, isType, start);
  }
  for (const { start, entries } of module.staticExports) {
    for (const { exportName, importName, moduleRequest, isType } of entries) {
      if (exportName.kind !== "None") exports.set(exportName.name ?? "default", lineAt(start));
      if (moduleRequest === null) continue;
      add(moduleRequest.value, importName.name === null ? null : [importName.name], isType, start);
    }
  }
  for (const { moduleRequest, start } of module.dynamicImports) {
    const specifier = /^["'](.*)["']$/.exec(text.slice(moduleRequest.start, moduleRequest.end))?.[1];
    if (specifier !== undefined) add(specifier, null, false, start);
  }
  new Visitor({
    TSImportType: ({ source, start }) => {
      add(source.value, null, true, start);
    },
  }).visit(program);
  return { path, text, lines: starts.length - 1, program, comments, imports, exports, lineAt };
}

const PATHS = new Map<string, readonly string[]>(Object.entries(compilerOptions.paths));

function resolve(from: string, specifier: string): string | null {
  if (specifier.startsWith(".")) return normalize(join(dirname(from), specifier));
  const plugin = /^sealpost\/plugins\/([\w-]+)$/.exec(specifier)?.[1];
  if (plugin !== undefined) return `plugins/${plugin}/index.ts`;
  const path = PATHS.get(specifier)?.[0];
  return path === undefined ? null : normalize(path);
}
