import { afterAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { withRemovableConstants } from "../../../tools/workers/removable.ts";
import { shedSources } from "../../../tools/workers/shed-sources.ts";
import { withoutConstraints } from "../../../tools/workers/without-constraints.ts";
import { withoutDocs } from "../../../tools/workers/without-docs.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import * as original from "./fixtures/schemas.ts";

const FILE = join(import.meta.dir, "..", "..", "..", "src", "http", "example.ts");
const lean = (text: string) => withoutDocs(FILE, text).text;

describe("a source without documentation", () => {
  const ROUTE = `import { route, tagged } from "../wire/route.ts";\n`;
  test.each([
    [
      "of a route",
      `${ROUTE}route({ path: "/a", summary: "A", maxBodyBytes: 1, response: b }, c);`,
      `${ROUTE}route({ path: "/a",  maxBodyBytes: 1,  }, c);`,
    ],
    [
      "of what a route spreads, also by way of another constant",
      `${ROUTE}const A = { right: "r", detail: d } as const; const B = { ...A, errors: [404] }; route({ ...B, path }, c);`,
      `${ROUTE}const A = { right: "r",  } as const; const B = { ...A,  }; route({ ...B, path }, c);`,
    ],
    ["of a list of routes", `${ROUTE}const a = tagged(TAG, [b]);`, `${ROUTE}const a = ([b]);`],
    [
      "of a schema",
      'import { described, named } from "sealpost/plugin"; named("A", v.object({ b: described(v.string(), "B") }));',
      'import { described, named } from "sealpost/plugin"; (v.object({ b: (v.string()) }));',
    ],
    [
      "in a pipe",
      'v.pipe(v.string(), v.description("A"), v.metadata({ b: 1 }), v.maxLength(2));',
      "v.pipe(v.string(),   v.maxLength(2));",
    ],
  ])("has the rest %s", (_, text, rest) => {
    expect(lean(text)).toBe(rest);
  });

  test("has the settings without their meanings", () => {
    const config = join(import.meta.dir, "..", "..", "..", "src", "config.ts");
    const text =
      'function setting(a, b, c, d) {} const A = { b: setting("B", "", c, "What B is", { secret: true }) };';
    expect(withoutDocs(config, text).text).toBe(text.replace('"What B is"', '""'));
    expect(lean(text)).toBe(text);
  });

  test("keeps what has the same name elsewhere", () => {
    const text =
      'import { named } from "./names.ts"; named("A", b); function route(a) {} route({ summary: "B" });';
    expect(lean(text)).toBe(text);
  });

  test("cannot be made of a route that is declared elsewhere", () => {
    for (const declaration of ["{ ...imported }", "declarationOf(a)"])
      expect(() => lean(`${ROUTE}route(${declaration}, c);`)).toThrow(
        `Cannot read the declaration of a route in ${FILE}`,
      );
  });
});

test("a source without constraints has the columns of its tables", () => {
  const text = `import { sqliteTable } from "drizzle-orm/sqlite-core";
    sqliteTable("a", { b: text("b").notNull().unique(), c: text("c").references(() => d.e, {}).default(f) }, (a) => []);`;
  expect(withoutConstraints(FILE, text).text).toBe(`import { sqliteTable } from "drizzle-orm/sqlite-core";
    sqliteTable("a", { b: text("b"), c: text("c").default(f) });`);
});

test("a build fails if the sources no longer have a part that is left out", async () => {
  using folder = temporaryFolder();
  const entry = join(folder.path, "entry.ts");
  await Bun.write(entry, "export {};");
  const error = await Bun.build({ entrypoints: [entry], plugins: [shedSources] }).catch((reason) => reason);
  const problems = error instanceof AggregateError ? error.errors.join("\n") : String(error);
  expect(problems).toMatch(/No part of the sources to leave out: .*openapi\.ts, .*\.summary,/);
});

test("a constant that nothing uses is removed with all that it refers to", async () => {
  using folder = temporaryFolder();
  const text = `const parts = globalThis.parts ?? {};
    export const unused = Object.keys({ ...parts, unused: parts });
    export const used = Object.keys({ used: 1 });`;
  await Bun.write(join(folder.path, "constants.ts"), withRemovableConstants(FILE, text));
  await Bun.write(join(folder.path, "entry.ts"), 'import { used } from "./constants.ts"; console.log(used);');
  const { outputs } = await Bun.build({ entrypoints: [join(folder.path, "entry.ts")] });
  const built = (await outputs[0]?.text()) ?? "";
  expect([built.includes("used: 1"), built.includes("parts")]).toEqual([true, false]);
});

describe("the sources of the default builds", () => {
  const folder = temporaryFolder();
  afterAll(() => folder[Symbol.dispose]());
  const built = Bun.build({
    entrypoints: [join(import.meta.dir, "fixtures", "schemas.ts")],
    outdir: folder.path,
    target: "bun",
    plugins: [shedSources],
  }).then(({ outputs }): Promise<typeof original> => import(outputs[0]?.path ?? ""));

  test("have schemas that check the same", async () => {
    const names = Object.keys(original).toSorted();
    expect(Object.keys(await built).toSorted()).toEqual(names);
    expect(names.length).toBeGreaterThan(10);
    for (const [name, module] of Object.entries(original)) {
      const leanModule: object = Object(await built)[name];
      expect([name, checksOf(leanModule)]).toEqual([name, checksOf(module)]);
    }
  });

  test("have tables for the same statements", async () => {
    const statements = original.statements();
    expect(statements.length).toBeGreaterThan(200);
    expect((await built).statements()).toEqual(statements);
  });
});

/** Returns the parts of a value with schemas, without documentation. */
function checksOf(value: unknown): unknown {
  if (typeof value === "function") return "function";
  if (Array.isArray(value)) return value.filter(isCheck).map(checksOf);
  if (typeof value !== "object" || value === null || value instanceof RegExp) return value;
  // A pipe that adds only documentation to a schema checks what the schema checks.
  const [schema, ...others] = "pipe" in value && Array.isArray(value.pipe) ? value.pipe.filter(isCheck) : [];
  if (schema !== undefined && others.length === 0) return checksOf(schema);
  const entries = Object.entries(value).filter(([name]) => name !== "~standard");
  return Object.fromEntries(entries.map(([name, one]) => [name, checksOf(one)]));
}

const isCheck = (item: { readonly kind?: string }) => item.kind !== "metadata";
