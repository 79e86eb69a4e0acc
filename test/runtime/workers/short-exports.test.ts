import { expect, test } from "bun:test";
import { join } from "node:path";
import type { WorkerModule } from "../../../tools/workers/join-start.ts";
import { shortenExports } from "../../../tools/workers/short-exports.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";

const MAIN = { name: "worker.js", text: 'export{Sealpost,default}from"./start.js";' };
const JOINED = {
  name: "start.js",
  text: 'const a="first",b=class{};export{a as a_0,a as z_1,b as n_0,b as Sealpost,a as default};',
};
const LATER = {
  name: "later.js",
  text: 'import{a_0 as b,z_1 as t,n_0}from"./start.js";import{a_0 as o}from"./other.js";export{b,t,n_0,o};',
};
const OTHER = { name: "other.js", text: "export const a_0=1;" };

test("the joined module exports names as they are inside, and later modules import them so", async () => {
  const modules = shortenExports([MAIN, JOINED, LATER, OTHER]);
  expect(modules.map(({ text }) => text)).toEqual([
    MAIN.text,
    'const a="first",b=class{};export{a,b,b as Sealpost,a as default};',
    'import{a as b,a as t,b as n_0}from"./start.js";import{a_0 as o}from"./other.js";export{b,t,n_0,o};',
    OTHER.text,
  ]);

  using folder = temporaryFolder();
  for (const { name, text } of modules) await Bun.write(join(folder.path, name), text);
  const main = await import(join(folder.path, "worker.js"));
  const later = await import(join(folder.path, "later.js"));
  expect(later).toMatchObject({ b: "first", t: "first", n_0: main.Sealpost, o: 1 });
  expect(main.default).toBe("first");
});

test("a Worker of one module stays as it is", () => {
  const modules: readonly WorkerModule[] = [{ name: "worker.js", text: "export default {};" }];
  expect(shortenExports(modules)).toBe(modules);
});
