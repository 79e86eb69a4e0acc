import { expect, setDefaultTimeout, test } from "bun:test";
import { cp, readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { TEST_MS } from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);
const ROOT = join(import.meta.dir, "..", "..", "..");

/** Runs the build in a copy of the project. Returns its exit code and the problems that it prints. */
async function build(folder: string) {
  const child = Bun.spawn([process.execPath, "tools/workers/build.ts"], {
    ...{ cwd: folder, stdout: "ignore", stderr: "pipe" },
  });
  const problems = await new Response(child.stderr).text();
  return { exitCode: await child.exited, problems };
}

test("a Worker is built with the one file that configures the plugins of a server, by any of its names", async () => {
  using folder = temporaryFolder();
  for (const name of ["src", "plugins", "tools", "package.json", "tsconfig.json"]) {
    await cp(join(ROOT, name), join(folder.path, name), { recursive: true });
  }
  await symlink(join(ROOT, "node_modules"), join(folder.path, "node_modules"));
  const document = Bun.file(join(folder.path, "dist", "page", "openapi.json"));
  await document.write("{}");
  await Bun.write(
    join(folder.path, "sealpost.config.mjs"),
    "export default { plugins: ['a config of mine'] };",
  );
  expect(await build(folder.path)).toEqual({ exitCode: 0, problems: "" });
  const modules = join(folder.path, "dist", "workers");
  const texts = (await readdir(modules)).map((name) => Bun.file(join(modules, name)).text());
  expect((await Promise.all(texts)).join("")).toContain("a config of mine");
  // Its plugins change the document, for which it has a route. This one is of an earlier build.
  expect(await document.exists()).toBe(false);
  await Bun.write(join(folder.path, "sealpost.config.ts"), "export default {};");
  const both = await build(folder.path);
  expect(both.exitCode).toBe(1);
  expect(both.problems).toContain("Keep one of sealpost.config.ts and sealpost.config.mjs");
});
