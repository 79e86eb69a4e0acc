import { expect, test } from "bun:test";
import { join } from "node:path";
import { temporaryFolder } from "../fixtures/process/folder.ts";

const UNIT = join(import.meta.dir, "..", "..", "deploy", "sealpost.service");
const analyze = Bun.which("systemd-analyze");
if (analyze === null) console.warn("Skipped: the unit of systemd; systemd-analyze is not installed");

/** Returns what systemd says of the unit, with a program and a user that exist here. */
async function verify(text: string): Promise<{ readonly code: number; readonly output: string }> {
  using folder = temporaryFolder();
  const file = join(folder.path, "sealpost.service");
  await Bun.write(file, text.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`));
  const child = Bun.spawn([analyze ?? "", "verify", "--man=no", file], { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code, output: stdout + stderr };
}

test.skipIf(analyze === null)("systemd finds nothing wrong with deploy/sealpost.service", async () => {
  const { code, output } = await verify(await Bun.file(UNIT).text());
  expect(output).toBe("");
  expect(code).toBe(0);
});

test.skipIf(analyze === null)("systemd finds a misspelled option, so the check can fail", async () => {
  const { output } = await verify((await Bun.file(UNIT).text()).replace("ProtectHome", "ProtectHouse"));
  expect(output).toContain("ProtectHouse");
});
