import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import * as smtp from "../../../src/testing/smtp/index.ts";
import { denoPath } from "../../fixtures/process/deno.ts";
import type { Folder } from "../../fixtures/process/folder.ts";
import { testingExamples } from "../../package/examples.ts";

const ROOT = join(import.meta.dir, "..", "..", "..");
/** Each example creates an admin, whose password takes a while to hash. */
const RUN_MS = 30_000;
setDefaultTimeout(RUN_MS);

const page = await Bun.file(join(ROOT, "docs", "testing.md")).text();
const [shared = "", rejected = "", unknown = "", limit = "", ...more] = await testingExamples();

/** Writes files where the package's own name resolves. */
async function folderWith(
  files: Readonly<Record<string, string>>,
): Promise<AsyncDisposable & Pick<Folder, "path">> {
  await mkdir(join(ROOT, "dist"), { recursive: true });
  const path = await mkdtemp(join(ROOT, "dist", "testing-"));
  for (const [name, text] of Object.entries(files)) await Bun.write(join(path, name), text);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

async function run(command: readonly string[], cwd: string): Promise<string> {
  const child = Bun.spawn([...command], { cwd, stdout: "pipe", stderr: "pipe", timeout: RUN_MS });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return stdout + stderr;
}

test("docs/testing.md has the shared file and three examples", () => {
  expect([shared, rejected, unknown, limit].every((code) => code.includes("import "))).toBe(true);
  expect(more).toEqual([]);
});

test("the examples for `bun test` pass", async () => {
  const files = { "sealpost.ts": shared, "rejected.test.ts": rejected, "unknown.test.ts": unknown };
  await using folder = await folderWith(files);
  const output = await run(
    [process.execPath, "test", "./rejected.test.ts", "./unknown.test.ts"],
    folder.path,
  );
  expect(output).toContain(" 3 pass\n 0 fail\n");
});

test("the example without a test runner runs on Bun", async () => {
  await using folder = await folderWith({ "sealpost.ts": shared, "limit.ts": limit });
  expect(await run([process.execPath, "limit.ts"], folder.path)).toBe("6 messages over 2 connections\n");
});

test.skipIf(denoPath === null)("the example without a test runner runs on Deno", async () => {
  const onDeno = shared.replace("sealpost/bun", "sealpost/deno");
  await using folder = await folderWith({ "sealpost.ts": onDeno, "limit.ts": limit });
  const command = [
    denoPath ?? "",
    "run",
    "-A",
    "--no-check",
    "--config",
    join(ROOT, "deno.json"),
    "limit.ts",
  ];
  expect(await run(command, folder.path)).toBe("6 messages over 2 connections\n");
});

test("docs/testing.md lists every step, misbehavior and option", async () => {
  const source = (name: string) => Bun.file(join(ROOT, "src", "testing", "smtp", name)).text();
  const options = await source("options.ts");
  const interfaces = options + (await source("sasl.ts"));
  const steps = [...(/ServerStep =\n([\s\S]*?);/.exec(options)?.[1] ?? "").matchAll(/"([\w-]+)"/g)];
  const fields = ["SmtpTestServerOptions extends Accounts", "Accounts"].flatMap((name) => {
    const [, body = ""] = new RegExp(`interface ${name} {([^]*?)\n}`).exec(interfaces) ?? [];
    return [...body.matchAll(/readonly (\w+)\??:/g)];
  });
  const names = [...steps, ...fields].map(([, name]) => name ?? "");
  expect(names.length).toBeGreaterThan(30);
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  const behaviors = Object.keys(smtp).filter((name) => name !== "startSmtpServer");
  expect(behaviors.filter((name) => !page.includes(`\`${name}(`))).toEqual([]);
});
