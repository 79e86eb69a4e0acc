import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { version } from "../../package.json";
import { TEST_MS } from "./project.ts";

setDefaultTimeout(TEST_MS);
const ROOT = join(import.meta.dir, "..", "..");

test("a release without its tag or its section of the changelog publishes nothing, and says why", async () => {
  const command = [process.execPath, "tools/release.ts", "--dry-run"];
  const child = Bun.spawn(command, { cwd: ROOT, stdout: "pipe", stderr: "pipe" });
  const [output, code] = await Promise.all([child.stderr.text(), child.exited]);
  expect(code).toBe(1);
  expect(output).toContain(`Not released: the tag v${version} is not on this commit`);
});
