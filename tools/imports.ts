import { dirname, join, normalize, relative } from "node:path";
import { Glob, Transpiler } from "bun";

// Imports fall one way. Each room names the rooms below it that it may use; itself is always allowed.
const LEAVES = ["message", "smime", "secrets", "smtp", "storage", "transport", "wake"];
const BASE = ["contracts", "domain", "errors"];
const BELOW: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  version: [],
  domain: ["errors"],
  contracts: ["domain", "errors"],
  async: BASE,
  ...Object.fromEntries(LEAVES.map((leaf) => [leaf, ["async", ...BASE]])),
  transport: ["smtp", "async", ...BASE],
  access: [...LEAVES, ...BASE],
  mail: ["access", ...LEAVES, "async", ...BASE],
  wire: ["mail", "access", "version", ...BASE],
  plugin: ["wire", "mail", "access", ...LEAVES, ...BASE],
  http: ["plugin", "wire", "mail", "access", "version", ...BASE],
  config: ["domain", "errors"],
  services: ["http", "plugin", "wire", "mail", "access", ...LEAVES, ...BASE],
  app: ["services", "http", "plugin", "wire", "mail", "access", ...BASE],
  testing: ["app", "services", "mail", ...LEAVES, ...BASE],
  sealpost: ["app", "services", "config", "mail", "access", ...BASE],
  index: [
    "sealpost",
    "plugin",
    "wire",
    "app",
    "services",
    "mail",
    "access",
    "secrets",
    "storage",
    "version",
    ...BASE,
  ],
  runtime: ["app", "services", "config", "wire", "async", ...LEAVES, ...BASE],
  cli: ["runtime", "services", "config", "version", "mail", "access", ...LEAVES, ...BASE],
};

// A library that talks to the outside is imported in one source file, so that it can be seen and replaced.
const ONE_FILE = [
  "nodemailer/lib/mail-composer",
  "worker-mailer",
  "pkijs",
  "bullmq",
  "ioredis",
  "@libsql/client",
  "@libsql/client/sqlite3",
  "@libsql/client/http",
  "@libsql/core/config",
];

/** What a plugin may import beside its own files. */
const OF_PLUGINS = /^(sealpost|hono|valibot|drizzle-orm)(\/|$)/;
/** The one file that knows which plugins a server has on by itself. */
const STANDARD = "runtime/default-plugins.ts";

const root = join(import.meta.dir, "..", "src");
const plugins = join(import.meta.dir, "..", "plugins");
const transpiler = new Transpiler({ loader: "ts" });
const problems: string[] = [];
const importers = new Map<string, string[]>();

for (const file of [...new Glob("**/*.ts").scanSync(root)].sort()) {
  if (file.endsWith(".d.ts")) continue;
  const text = await Bun.file(join(root, file)).text();
  for (const path of importsOf(text)) {
    if (path.startsWith(".")) checkRoom(file, normalize(join(dirname(file), path)));
  }
  // Type imports vanish, so they do not count for libraries.
  for (const { path } of transpiler.scanImports(text)) {
    if (ONE_FILE.includes(path)) importers.set(path, [...(importers.get(path) ?? []), file]);
  }
}
for (const file of [...new Glob("**/*.ts").scanSync(plugins)].sort()) {
  for (const path of importsOf(await Bun.file(join(plugins, file)).text())) {
    if (!(path.startsWith(".") ? isOfSamePlugin(file, path) : isForPlugins(path))) {
      problems.push(`plugins/${file} imports ${path}`);
    }
  }
}
for (const [library, files] of importers) {
  if (files.length > 1) problems.push(`${library} is imported in ${files.join(" and ")}`);
}

for (const problem of problems) console.error(problem);
console.log(problems.length === 0 ? "Imports fall one way" : `${problems.length} imports go the wrong way`);
process.exit(problems.length === 0 ? 0 : 1);

/** Every import, types included: what a file knows is what counts. */
function importsOf(text: string): string[] {
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map(([, path]) => path ?? "");
}

function isOfSamePlugin(file: string, path: string): boolean {
  return roomOf(normalize(join(dirname(file), path))) === roomOf(file);
}

/** Of Sealpost the door, and nothing behind it. */
function isForPlugins(path: string): boolean {
  return OF_PLUGINS.test(path) && !path.startsWith("sealpost/");
}

function checkRoom(from: string, to: string): void {
  if (from === STANDARD && to.startsWith("../plugins/")) return;
  if (to.startsWith("..")) {
    problems.push(`${from} imports ${to}, outside src`);
    return;
  }
  const [fromRoom, toRoom] = [roomOf(from), roomOf(to)];
  if (fromRoom === toRoom || BELOW[fromRoom]?.includes(toRoom)) return;
  problems.push(`${from} (${fromRoom}) imports ${relative(".", to)} (${toRoom})`);
}

function roomOf(file: string): string {
  return (file.split("/")[0] ?? "").replace(/\.ts$/, "");
}
