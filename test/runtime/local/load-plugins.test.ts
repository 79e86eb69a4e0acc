import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { definePlugin } from "sealpost/plugin";
import * as v from "valibot";
import { pluginsOf } from "../../../src/runtime/default-plugins.ts";
import { loadPlugins } from "../../../src/runtime/local/load-plugins.ts";
import { TEST_MS } from "../../fixtures/process/child.ts";
import { DENO_SERVER, denoPath } from "../../fixtures/process/deno.ts";
import { runCli, startInVain, startSealpost } from "../../fixtures/process/sealpost.ts";

setDefaultTimeout(TEST_MS);

/** In the repository, where "sealpost" can be imported, but ignored by git and the checks. */
const FOLDERS = join(import.meta.dir, "..", "..", "..", "dist", `config-${process.pid}`);
afterAll(() => rmSync(FOLDERS, { recursive: true, force: true }));
let folders = 0;

async function folderWith(config: string | null, file = "sealpost.config.ts"): Promise<string> {
  const folder = join(FOLDERS, String(folders++));
  mkdirSync(join(folder, "plugins"), { recursive: true });
  const example = Bun.file(join(import.meta.dir, "..", "..", "..", "examples", "plugins", "notice.ts"));
  await Bun.write(join(folder, "plugins", "notice.ts"), example);
  if (config !== null) await Bun.write(join(folder, file), config);
  return folder;
}
const GOOD = `import { notice } from "./plugins/notice.ts";
export default { plugins: [notice({ to: "ops@example.org" })] };`;

describe("loadPlugins()", () => {
  test("loads what the file exports, and only the default plugins without one", async () => {
    expect((await loadPlugins(await folderWith(GOOD))).map(({ name }) => name)).toContain("notice");
    expect((await loadPlugins(await folderWith(null))).map(({ name }) => name)).not.toContain("notice");
  });

  test.each(["sealpost.config.js", "sealpost.config.mjs"])(
    "loads %s, and rejects two files",
    async (file) => {
      const folder = await folderWith(GOOD, file);
      expect((await loadPlugins(folder)).map(({ name }) => name)).toContain("notice");
      await Bun.write(join(folder, "sealpost.config.ts"), GOOD);
      await expect(loadPlugins(folder)).rejects.toMatchObject({
        code: "bad_setting",
        message: `Keep one of sealpost.config.ts and ${file}: only one file can configure the plugins`,
      });
    },
  );

  test.each([
    ["no default export", "export const plugins = [];", "export default: "],
    ["another thing", "export default [];", "export default: "],
    ["an unknown name", "export default { plugin: [] };", "plugin: "],
    [
      "a plugin factory that was not called",
      'import { notice } from "./plugins/notice.ts"; export default { plugins: [notice] };',
      "plugins.0: expected plugins, each called with its options",
    ],
    ["an error", 'throw new Error("broken\\nin two lines");', "broken"],
    ["a syntax error", "export default {", ""],
    ["a file that is not there", 'import "./nowhere.ts";', "nowhere"],
  ])("rejects %s with one line", async (_, config, expected) => {
    const loading = loadPlugins(await folderWith(config));
    const message = await loading.then(
      () => "",
      (error: Error) => error.message,
    );
    expect(message).toStartWith("sealpost.config.ts: ");
    expect(message).toContain(expected);
    expect(message).not.toContain("\n");
    await expect(loading).rejects.toMatchObject({ code: "bad_setting" });
  });
});

test("pluginsOf() replaces default plugins by configured ones of the same name", () => {
  const named = (name: string) => definePlugin({ name, options: v.object({}), setup: () => ({}) })();
  const [own, ...standard] = [named("a"), named("a"), named("b"), named("c")];
  const result = pluginsOf({ plugins: own ? [own] : [], without: ["c"] }, standard);
  expect(result.map(({ name }) => name)).toEqual(["b", "a"]);
  expect(result[1]).toBe(own);
});

const RUNTIMES = [
  ["Bun", undefined, "src/runtime/bun/server.ts"],
  ["Deno", DENO_SERVER, "src/runtime/deno/server.ts"],
] as const;
for (const [runtime, interpreter, entry] of RUNTIMES) {
  const skipped = runtime === "Deno" && denoPath === null;
  if (skipped) console.warn("Skipped: sealpost.config.ts on Deno; npm has no Deno for this machine");

  test.skipIf(skipped)(`the server on ${runtime} enables the plugins of sealpost.config.ts`, async () => {
    const options = { folder: await folderWith(GOOD), ...(interpreter && { interpreter }) };
    await using sealpost = await startSealpost(options, entry);
    const api = await sealpost.logIn();
    const response = await fetch(`${sealpost.url}/plugins/`, { headers: { authorization: api.token } });
    expect(await response.json()).toMatchObject({
      result: { value: expect.arrayContaining([expect.objectContaining({ name: "notice" })]) },
    });
  });

  test.skipIf(skipped)(
    `wrong options in sealpost.config.ts stop the start on ${runtime} with one line`,
    async () => {
      const config = GOOD.replace("ops@example.org", "nobody");
      const options = { folder: await folderWith(config), ...(interpreter && { interpreter }) };
      const { code, stderr } = await startInVain(options, entry);
      expect([code, stderr]).toEqual([1, "sealpost: Plugins: notice: to: expected an address\n"]);
    },
  );
}

test("the command line has the same plugins and rotates their keys", async () => {
  const { code, stderr } = await runCli(["keys", "rotate"], {
    folder: await folderWith(GOOD.replace("ops@", "@")),
  });
  expect([code === 0, stderr]).toEqual([
    false,
    expect.stringContaining("Plugins: notice: to: expected an address"),
  ]);
});
