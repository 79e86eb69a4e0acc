import { expect, setDefaultTimeout, test } from "bun:test";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { runCli } from "../fixtures/process/sealpost.ts";

setDefaultTimeout(TEST_MS);

test("keys new prints a new key each time, which SEALPOST_KEYS accepts", async () => {
  using folder = temporaryFolder();
  const options = { folder: folder.path };
  const printed = await Promise.all([runCli(["keys", "new"], options), runCli(["keys", "new"], options)]);
  const [one, two] = printed.map(({ stdout }) => stdout.trim());
  expect(one).toMatch(/^[0-9a-f]{8}:[A-Za-z0-9+/]{43}=$/);
  expect(one).not.toBe(two);
  const env = { SEALPOST_KEYS: `${one},${two}` };
  expect(await runCli(["keys", "rotate"], { ...options, env })).toMatchObject({ code: 0, stderr: "" });
});

test("keys rotate with a new first key in the key file makes the old key removable", async () => {
  using folder = temporaryFolder();
  const options = { folder: folder.path };
  const rotate = () => runCli(["keys", "rotate"], options);
  expect((await rotate()).stdout).toBe(
    "0 re-encrypted with the first key, 2 unchanged; the other keys can be removed\n",
  );
  const file = `${folder.path}/data/sealpost.keys`;
  const old = readFileSync(file, "utf8");
  writeFileSync(file, (await runCli(["keys", "new"], options)).stdout);
  expect((await rotate()).code).toBe(1);
  appendFileSync(file, old);
  expect((await rotate()).stdout).toStartWith("2 re-encrypted with the first key, 0 unchanged");
  writeFileSync(file, readFileSync(file, "utf8").split("\n")[0] ?? "");
  expect((await rotate()).stdout).toStartWith("0 re-encrypted with the first key, 2 unchanged");
});
