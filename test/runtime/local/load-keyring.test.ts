import { expect, test } from "bun:test";
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createKeyFile, readKeyFile } from "../../../src/runtime/local/load-keyring.ts";
import { PLATFORM } from "../../../src/runtime/platform.ts";
import { parseKeyring } from "../../../src/secrets/keyring.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";

test("createKeyFile() called concurrently creates one file, readable by its owner only, and every call returns it", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "keys");
  const texts = await Promise.all(Array.from({ length: 20 }, () => createKeyFile(path, PLATFORM)));
  expect(new Set(texts).size).toBe(1);
  expect(parseKeyring(texts[0] ?? "").ids).toHaveLength(1);
  expect(await readKeyFile(path)).toBe(texts[0] ?? "");
  expect(readdirSync(folder.path)).toEqual(["keys"]);
  expect((statSync(path).mode & 0o777).toString(8)).toBe("600");
});

test("createKeyFile() never replaces a file", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "keys");
  writeFileSync(path, "whatever\n");
  expect(await createKeyFile(path, PLATFORM)).toBe("whatever");
});

test("readKeyFile() reads keys one a line or comma-separated, and returns null without a file", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "keys");
  expect(await readKeyFile(path)).toBeNull();
  writeFileSync(path, "a:1\r\n\n b:2,c:3 \n");
  expect(await readKeyFile(path)).toBe("a:1,b:2,c:3");
});
