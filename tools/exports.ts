import { dirname, join, relative } from "node:path";
import { Glob } from "bun";
import { imports } from "../deno.json";
import { exports } from "../package.json";
import { compilerOptions } from "../tsconfig.json";
import { NODE_22 } from "./published.ts";
import { files } from "./tsconfig.build.json";

// Checks what the package exports: each subpath is one source file that is built, and no door re-exports with `*`.

const ROOT = join(import.meta.dir, "..");
const DEFAULT_EXPORT = /^export default |^export \{[^}]*\bas default\b/m;
/** Packages and modules that connect to a database or a server. */
const DRIVERS =
  /^(@libsql\/|libsql|nodemailer\/lib\/smtp|worker-mailer|bullmq|ioredis|cloudflare:|node:(net|tls|fs|os|http))/;
const problems: string[] = [];

const plugins = [...new Glob("*/index.ts").scanSync(join(ROOT, "plugins"))].map((file) => dirname(file));
const built = files.map((file) => relative(ROOT, join(import.meta.dir, file)));
const subpaths = Object.entries(exports).filter(([subpath]) => !subpath.startsWith("./plugins/"));
const offered = subpaths.map(([subpath, { types, default: script }]) => {
  const source = script.replace(/^\.\/dist\/module\//, "src/").replace(/\.js$/, ".ts");
  if (types !== script.replace(/\.js$/, ".d.ts"))
    problems.push(`${subpath}: types are not next to the script`);
  if (!built.includes(source))
    problems.push(`${subpath}: tools/tsconfig.build.json does not build ${source}`);
  const path = new Map(Object.entries(compilerOptions.paths)).get(subpath.replace(".", "sealpost"));
  if (path?.join() !== `./${source}`)
    problems.push(`${subpath}: the paths of tsconfig.json do not lead to ${source}`);
  return source;
});
const offers = new Map<string, object>(Object.entries(exports));
const onDeno = new Map<string, string>(Object.entries(imports));
for (const name of plugins) {
  const script = `./dist/plugins/${name}/index.js`;
  const wanted = { types: script.replace(/\.js$/, ".d.ts"), default: script };
  if (!Bun.deepEquals(offers.get(`./plugins/${name}`), wanted)) {
    problems.push(`package.json: exports lacks "./plugins/${name}": ${JSON.stringify(wanted)}`);
  }
  if (onDeno.get(`sealpost/plugins/${name}`) !== `./plugins/${name}/index.ts`) {
    problems.push(`deno.json: imports lacks "sealpost/plugins/${name}": "./plugins/${name}/index.ts"`);
  }
}
for (const file of built) {
  const isOffered = offered.filter((source) => source === file).length === 1;
  if (!isOffered && !file.endsWith(".d.ts") && file !== NODE_22)
    problems.push(`${file} is built, and is not one subpath of exports`);
}
for (const file of [...new Glob("{src,plugins}/**/*.ts").scanSync(ROOT)].sort()) {
  const text = await Bun.file(join(ROOT, file)).text();
  if (/^export \*/m.test(text)) problems.push(`${file} exports without names`);
  if (DEFAULT_EXPORT.test(text) && !/^src\/runtime\/|\.d\.ts$/.test(file))
    problems.push(`${file} has a default export`);
}

for (const door of ["src/index.ts", "src/plugin.ts", "src/driver.ts"]) {
  for (const library of await reached(door)) {
    if (DRIVERS.test(library)) problems.push(`${door} reaches ${library}, which is a runtime's to choose`);
  }
}

for (const problem of problems) console.error(problem);
console.log(
  problems.length === 0 ? "What is exported has names and one place" : `${problems.length} exports are wrong`,
);
process.exit(problems.length === 0 ? 0 : 1);

/** Returns the packages and runtime modules that a source file imports, directly or not. */
async function reached(file: string): Promise<Set<string>> {
  const build = { target: "bun", packages: "external", splitting: true } as const;
  const { outputs } = await Bun.build({ entrypoints: [join(ROOT, file)], ...build });
  const texts = await Promise.all(outputs.map((output) => output.text()));
  const imports = texts.flatMap((text) => new Bun.Transpiler({ loader: "js" }).scanImports(text));
  return new Set(imports.map(({ path }) => path));
}
