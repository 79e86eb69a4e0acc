import { Visitor } from "oxc-parser";
import { devDependencies } from "../../package.json";
import { circles, unusedExports } from "./graph.ts";
import { codeOf, type Prose, proseOf, readPages } from "./prose.ts";
import { roomOf, wrongImport } from "./rooms.ts";
import type { Offense, Source } from "./sources.ts";
import { BANNED_CODE, BANNED_PROSE, BANNED_START, BUDGET, BUDGET_START } from "./words.ts";

export interface Rule {
  /** Its key in offenders.json. */
  readonly name: string;
  /** The remedy for an offense. */
  readonly advice: string;
  /** Offenses that are allowed for good. */
  readonly allowed?: (given: Given) => number;
  readonly find: (given: Given) => readonly Offense[];
}

/** All that rules look at. */
export interface Given {
  readonly sources: readonly Source[];
  readonly prose: readonly Prose[];
}

export async function readProse(sources: readonly Source[]): Promise<readonly Prose[]> {
  const isOurs = ({ path }: Source) => /^(src|plugins|test|tools)\//.test(path);
  return [...sources.filter(isOurs).flatMap(proseOf), ...(await readPages())];
}

const MAX_LINES = 400;
const MAX_FUNCTION_LINES = 80;
const SLIVER_LINES = 20;
const MAX_SLIVERS = 16;
const MAX_SUMMARY_WORDS = 6;
const BUDGET_PER_WORDS = 1000;

/** A library that talks to the outside is imported in one source file, so that it can be seen and replaced. */
const ONE_FILE =
  /^(nodemailer\/lib\/mail-composer|worker-mailer|pkijs|bullmq|ioredis|@libsql\/client(\/\w+)?|@libsql\/core\/config|libsql\/promise)$/;

export const RULES: readonly Rule[] = [
  {
    name: "imports",
    advice: "imports fall one way: see LAYERS in tools/gate/rooms.ts",
    find: ({ sources }) =>
      sources.flatMap((source) =>
        source.imports.flatMap((one) => {
          const what = wrongImport(source, one);
          return what === undefined ? [] : [{ path: source.path, line: one.line, what }];
        }),
      ),
  },
  {
    name: "libraries",
    advice: "import this library in one file only",
    find: ({ sources }) => {
      const importers = new Map<string, Offense[]>();
      for (const { path, imports } of sources.filter(isShipped)) {
        for (const { specifier, isType, line } of imports) {
          if (isType || !ONE_FILE.test(specifier)) continue;
          const others = importers.get(specifier) ?? [];
          if (!others.some((other) => other.path === path)) others.push({ path, line, what: specifier });
          importers.set(specifier, others);
        }
      }
      return [...importers.values()].flatMap((all) => all.slice(1));
    },
  },
  {
    name: "development",
    advice: "devDependencies belong in tools/, bench/, test/ and src/ui/",
    find: ({ sources }) =>
      sources
        .filter(isShipped)
        .flatMap(({ path, imports }) =>
          imports
            .filter(({ specifier }) => !path.startsWith("src/ui/") && isDevelopment(specifier))
            .map(({ specifier, line }) => ({ path, line, what: specifier })),
        ),
  },
  {
    name: "circles",
    advice: "no file may reach itself by imports, types included: move what both need below them",
    find: ({ sources }) =>
      circles(sources).map((files) => ({
        path: files[0] ?? "",
        line: 1,
        what: files.join(" ↔ "),
      })),
  },
  {
    name: "unused-exports",
    advice: "drop the export, or the name; a public name belongs to a door",
    find: ({ sources }) => unusedExports(sources, isShipped),
  },
  {
    name: "slivers",
    advice: `fold a file of ${SLIVER_LINES} lines or fewer into its caller, unless it is an idea of its own`,
    allowed: () => MAX_SLIVERS,
    find: ({ sources }) =>
      sources
        .filter((source) => isShipped(source) && source.lines <= SLIVER_LINES)
        .filter(({ path }) => !/\/(index|plugin)\.ts$/.test(path))
        .map(({ path, lines }) => ({ path, line: 1, what: `${lines} lines` })),
  },
  {
    name: "long-files",
    advice: `one thing a file, at most ${MAX_LINES} lines`,
    find: ({ sources }) =>
      sources
        .filter(({ lines }) => lines > MAX_LINES)
        .map(({ path, lines }) => ({ path, line: 1, what: `${lines} lines` })),
  },
  {
    name: "long-functions",
    advice: `at most ${MAX_FUNCTION_LINES} lines a function`,
    find: ({ sources }) => sources.filter(isChecked).flatMap(longFunctions),
  },
  {
    name: "factory-types",
    advice: "write the interface instead of ReturnType<typeof create…>",
    find: byCode(/ReturnType<typeof create\w*/g, isShipped),
  },
  {
    name: "one-door",
    advice: "src/sealpost.ts alone puts services and app together: go through createSealpost",
    // The declarations are not calls, and src/app.ts may call its own.
    find: byCode(
      /(?<!function )\bcreate(Services|App)\(/g,
      ({ path }) => path !== "src/sealpost.ts" && path !== "src/app.ts",
    ),
  },
  {
    name: "spreads",
    advice: "write the entries themselves: a spread literal only pleases the formatter",
    find: ({ sources }) => sources.filter(isChecked).flatMap(literalSpreads),
  },
  {
    name: "summaries",
    advice: `an OpenAPI summary is an imperative of at most ${MAX_SUMMARY_WORDS} words; conditions go into the description`,
    find: ({ sources }) => sources.filter(isShipped).flatMap(longSummaries),
  },
  {
    name: "retired-names",
    advice: "use the name of the glossary",
    find: (given) => BANNED_CODE.flatMap((pattern) => byCode(pattern, isChecked)(given)),
  },
  {
    name: "retired-words",
    advice: "use the words of the field, with the actor as subject",
    find: ({ prose }) => [
      ...BANNED_PROSE.flatMap(([pattern, advice]) => hits(prose, pattern, advice)),
      ...hits(prose.filter(isComment), BANNED_START, "start with a verb or a noun phrase"),
    ],
  },
  {
    name: "worn-words",
    advice: `all together may have one of these in ${BUDGET_PER_WORDS} words: respond, reject, start, receive, message`,
    allowed: ({ prose }) => Math.floor(countWords(prose) / BUDGET_PER_WORDS),
    find: ({ prose }) => [
      ...BUDGET.flatMap((pattern) => hits(prose, pattern)),
      ...hits(
        prose.filter(({ kind }) => kind === "docstring"),
        BUDGET_START,
      ),
    ],
  },
];

function isShipped({ path }: Source): boolean {
  return /^(src|plugins)\//.test(path);
}

function isChecked(source: Source): boolean {
  return isShipped(source) || source.path.startsWith("tools/");
}

function isComment({ kind }: Prose): boolean {
  return kind === "docstring" || kind === "comment";
}

function isDevelopment(specifier: string): boolean {
  return Object.keys(devDependencies).some((name) => specifier === name || specifier.startsWith(`${name}/`));
}

const codes = new WeakMap<Source, string>();

function byCode(pattern: RegExp, isIn: (source: Source) => boolean = () => true): Rule["find"] {
  return ({ sources }) =>
    sources.filter(isIn).flatMap((source) => {
      const code = codes.get(source) ?? codeOf(source);
      codes.set(source, code);
      return [...code.matchAll(pattern)].map(({ 0: what, index }) => ({
        path: source.path,
        line: source.lineAt(index),
        what,
      }));
    });
}

function hits(prose: readonly Prose[], pattern: RegExp, advice = ""): Offense[] {
  return prose.flatMap(({ path, line, text }) =>
    [...text.matchAll(pattern)].map((match) => {
      const around = text.slice(Math.max(0, match.index - 30), match.index + match[0].length + 30);
      return {
        path,
        line,
        what: `"${match[0].trim()}" in "${around}"${advice === "" ? "" : ` (${advice})`}`,
      };
    }),
  );
}

function countWords(prose: readonly Prose[]): number {
  return prose.reduce((count, { text }) => count + text.split(" ").length, 0);
}

function longFunctions({ path, program, lineAt }: Source): Offense[] {
  const found: Offense[] = [];
  const check = ({ start, end }: { start: number; end: number }) => {
    const lines = lineAt(end) - lineAt(start) + 1;
    if (lines > MAX_FUNCTION_LINES) found.push({ path, line: lineAt(start), what: `${lines} lines` });
  };
  new Visitor({
    FunctionDeclaration: check,
    FunctionExpression: check,
    ArrowFunctionExpression: check,
  }).visit(program);
  return found;
}

function literalSpreads({ path, program, lineAt }: Source): Offense[] {
  const found: Offense[] = [];
  new Visitor({
    SpreadElement: ({ argument, start }) => {
      if (argument.type !== "ObjectExpression" && argument.type !== "ArrayExpression") return;
      found.push({ path, line: lineAt(start), what: "a spread literal" });
    },
  }).visit(program);
  return found;
}

function longSummaries({ path, program, lineAt }: Source): Offense[] {
  const found: Offense[] = [];
  new Visitor({
    Property: ({ key, value, start }) => {
      if (key.type !== "Identifier" || key.name !== "summary") return;
      if (value.type !== "Literal" || typeof value.value !== "string") return;
      if (value.value.split(" ").length > MAX_SUMMARY_WORDS) {
        found.push({ path, line: lineAt(start), what: `"${value.value}"` });
      }
    },
  }).visit(program);
  return found;
}

/** Offenses counted by room. */
export function byRoom(offenses: readonly Offense[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { path } of offenses.toSorted((left, right) => (left.path < right.path ? -1 : 1))) {
    counts[roomOf(path)] = (counts[roomOf(path)] ?? 0) + 1;
  }
  return counts;
}
