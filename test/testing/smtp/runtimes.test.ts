import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { denoPath } from "../../fixtures/process/deno.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";

const CHECK = join(import.meta.dir, "self-check.ts");
const nodePath = Bun.which("node");
/** A runtime starts within a second, on a busy machine within ten. */
const RUN_MS = 20_000;
setDefaultTimeout(RUN_MS);

/** Runs a program to its end. @returns its output, with its errors if it failed. */
async function run(command: readonly string[]): Promise<string> {
  const child = Bun.spawn([...command], { stdout: "pipe", stderr: "pipe", timeout: RUN_MS });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return code === 0 ? stdout : `${stdout}${stderr}`;
}

test("the server works on Bun", async () => {
  expect(await run([process.execPath, CHECK])).toBe("ok\n");
});

test.skipIf(denoPath === null)(
  "the server works on Deno, with the right to use the network only",
  async () => {
    const flags = ["run", "--no-prompt", "--no-check", "--allow-net"];
    expect(await run([denoPath ?? "", ...flags, CHECK])).toBe("ok\n");
  },
);

test.skipIf(nodePath === null)("the server works on Node", async () => {
  using folder = temporaryFolder();
  const { outputs } = await Bun.build({ entrypoints: [CHECK], target: "node", format: "esm" });
  const bundle = join(folder.path, "check.mjs");
  await Bun.write(bundle, (await outputs[0]?.text()) ?? "");
  expect(await run([nodePath ?? "", bundle])).toBe("ok\n");
});
