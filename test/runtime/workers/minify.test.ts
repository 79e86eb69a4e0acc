import { expect, test } from "bun:test";
import { join } from "node:path";
import { largeFunctions } from "../../../tools/workers/large-functions.ts";
import { minify } from "../../../tools/workers/minify.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";

/** Source text of so many characters that no minifier shortens. */
const filler = (length: number) => `globalThis.filler = "${"x".repeat(length)}";`;

/** A function of which each part is used once, by the one before. */
const NESTED = `
  export function start(n) { return outer(n) + 1; }
  function outer(n) { ${filler(1_000)} return inner(n) + 1; }
  function inner(n) { ${filler(1_000)} return innermost(n) + 1; }
  function innermost(n) { ${filler(1_000)} return n; }
`;

test("a function is large with those that would be moved into it", () => {
  expect(largeFunctions(NESTED)).toEqual(["outer"]);
  expect(largeFunctions(NESTED.replaceAll("x".repeat(1_000), "x".repeat(3_000)))).toEqual([
    "innermost",
    "inner",
    "outer",
  ]);
  expect(largeFunctions(NESTED.replaceAll("x".repeat(1_000), ""))).toEqual([]);
});

test("a function that is used more than once is not moved, however large", () => {
  const twice = `export const all = [large(), large()]; function large() { ${filler(3_000)} }`;
  expect(largeFunctions(twice)).toEqual([]);
  expect(largeFunctions(twice.replace("large(), ", ""))).toEqual(["large"]);
});

test("a minified module has the exports of its source, and large functions are not inside others", async () => {
  using folder = temporaryFolder();
  const text = await minify(
    `${NESTED} const three = () => 3; export { three as default, start as default2 };`,
  );
  const path = join(folder.path, "module.mjs");
  await Bun.write(path, text);
  const module = await import(path);
  expect(Object.keys(module).toSorted()).toEqual(["default", "default2", "start"]);
  expect([module.start(1), module.default()]).toEqual([4, 3]);
  expect(text.match(/function \w+\(/g)).toHaveLength(2);
});

test("small functions that are used once are moved", async () => {
  const text = await minify(NESTED.replaceAll("x".repeat(1_000), "x"));
  expect(text.match(/function \w+\(/g)).toHaveLength(1);
});
