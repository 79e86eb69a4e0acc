import { parseSync } from "oxc-parser";
import { withCuts } from "./cuts.ts";

/** A file of a Worker. */
export interface WorkerModule {
  /** Path relative to the main module, such as `chunk-1.js`. */
  readonly name: string;
  readonly text: string;
}

/** Name of the joined module. */
export const JOINED = "start.js";
const ENTRY = "entry.js";
const NAMESPACE = "module";

/** Modules of which one has what an isolate loads at start. */
interface JoinedModules {
  readonly modules: readonly WorkerModule[];
  /** Returns the name of the module that has the content of an earlier one. */
  placeOf(name: string): string;
}

/**
 * Joins the modules that an isolate loads at start. Bun splits them, because other modules import a part of them, and
 * together they weigh less. The main module then only names what the platform calls: it may export nothing else.
 * @param modules the main one first.
 */
export async function joinStart(modules: readonly WorkerModule[]): Promise<JoinedModules> {
  const [main, ...others] = modules;
  const names = startModules({ modules });
  if (main === undefined || names.size === 1) return { modules, placeOf: (name) => name };
  const shared = new Set<string>();
  const later = others
    .filter(({ name }) => !names.has(name))
    .map(({ name, text }) => ({ name, text: importing(text, [...names], shared) }));
  const { exports } = new Bun.Transpiler({ loader: "js" }).scan(main.text);
  const exported = `export { ${exports.join(", ")} } from`;
  const entry = { name: ENTRY, text: [...shared, `${exported} "./${main.name}";`].join("\n") };
  const text = await bundled([entry, ...modules.filter(({ name }) => names.has(name))]);
  return {
    modules: [{ name: main.name, text: `${exported} "./${JOINED}";` }, { name: JOINED, text }, ...later],
    placeOf: (name) => (names.has(name) ? JOINED : name),
  };
}

/** Returns the names of the main module and those that it imports, which an isolate loads before its first request. */
export function startModules({
  modules,
}: {
  readonly modules: readonly WorkerModule[];
}): ReadonlySet<string> {
  const texts = new Map(modules.map(({ name, text }) => [name, text]));
  const names = new Set(modules.slice(0, 1).map(({ name }) => name));
  for (const name of names) {
    const imports = new Bun.Transpiler({ loader: "js" }).scanImports(texts.get(name) ?? "");
    for (const { kind, path } of imports)
      if (kind === "import-statement" && path.startsWith("./")) names.add(path.slice(2));
  }
  return names;
}

/**
 * Returns a module that imports from the joined one what it imports from those at start.
 * @param shared gets the statements by which the joined module exports that.
 */
function importing(text: string, atStart: readonly string[], shared: Set<string>): string {
  const cuts = parseSync("module.js", text).program.body.flatMap((statement) => {
    if (statement.type !== "ImportDeclaration") return [];
    const { start, end, source, specifiers } = statement;
    const index = atStart.indexOf(source.value.replace("./", ""));
    if (index < 0) return [];
    const names = specifiers.map((one) => {
      if (one.type !== "ImportSpecifier" || one.imported.type !== "Identifier")
        throw new Error(`Cannot join what is imported as a whole: ${source.value}`);
      // Two modules may use one name for different things.
      const name = joinedName(one.imported.name, index);
      shared.add(`export { ${one.imported.name} as ${name} } from "${source.value}";`);
      return `${name} as ${one.local.name}`;
    });
    return [{ start, end, by: `import { ${names.join(", ")} } from "./${JOINED}";` }];
  });
  return withCuts(text, cuts);
}

function joinedName(name: string, module: number): string {
  return `${name}_${module}`;
}

/** Whether the joined module exports something by this name for later modules only. */
export function isJoinedName(name: string): boolean {
  return /_\d+$/.test(name);
}

/** Bundles the first of these modules with the others. */
async function bundled(modules: readonly WorkerModule[]): Promise<string> {
  const texts = new Map(modules.map(({ name, text }) => [`./${name}`, text]));
  const { outputs } = await Bun.build({
    entrypoints: [`./${ENTRY}`],
    target: "node",
    format: "esm",
    minify: true,
    external: ["cloudflare:*"],
    plugins: [
      {
        name: "join start",
        setup(build) {
          build.onResolve({ filter: /^\.\// }, ({ path }) =>
            texts.has(path) ? { path, namespace: NAMESPACE } : { path, external: true },
          );
          build.onLoad({ filter: /./, namespace: NAMESPACE }, ({ path }) => ({
            contents: texts.get(path) ?? "",
            loader: "js",
          }));
        },
      },
    ],
  });
  return (await outputs[0]?.text()) ?? "";
}
