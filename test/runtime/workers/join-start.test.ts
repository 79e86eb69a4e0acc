import { expect, test } from "bun:test";
import { join } from "node:path";
import { joinStart, type WorkerModule } from "../../../tools/workers/join-start.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";

const MODULES: readonly WorkerModule[] = [
  {
    name: "worker.js",
    text: `import { a, n as t } from "./chunk-1.js";
      export class Sealpost { load() { return import("./later.js"); } }
      export default { a, t };`,
  },
  {
    name: "later.js",
    text: 'import { a } from "./chunk-1.js"; import { a as b, t } from "./chunk-2.js"; export { a, b, t };',
  },
  {
    name: "chunk-1.js",
    text: 'import { t } from "./chunk-2.js"; export const a = "first"; export const n = t;',
  },
  { name: "chunk-2.js", text: 'export const t = {}; export const a = "second";' },
];

test("the modules that an isolate loads at start are one, which later modules share", async () => {
  using folder = temporaryFolder();
  const { modules, placeOf } = await joinStart(MODULES);
  expect(modules.map(({ name }) => name)).toEqual(["worker.js", "start.js", "later.js"]);
  expect(MODULES.map(({ name }) => placeOf(name))).toEqual(["start.js", "later.js", "start.js", "start.js"]);
  for (const { name, text } of modules) await Bun.write(join(folder.path, name), text);
  const main = await import(join(folder.path, "worker.js"));
  expect(Object.keys(main).toSorted()).toEqual(["Sealpost", "default"]);
  const later = await new main.Sealpost().load();
  expect([main.default.a, later.a, later.b]).toEqual(["first", "first", "second"]);
  expect(later.t).toBe(main.default.t);
});

test("a Worker of one module stays as it is", async () => {
  const modules = [{ name: "worker.js", text: "export default {};" }];
  expect((await joinStart(modules)).modules).toBe(modules);
});

test("what is imported as a whole cannot be joined", async () => {
  const [main, , ...chunks] = MODULES;
  const later = { name: "later.js", text: 'import * as all from "./chunk-1.js"; export default all;' };
  const joined = joinStart(main ? [main, later, ...chunks] : []);
  await expect(joined).rejects.toThrow("Cannot join what is imported as a whole: ./chunk-1.js");
});
