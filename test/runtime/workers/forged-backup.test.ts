import { expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { OBJECT_ENTRY } from "../../../tools/workers/build.ts";
import { OBJECTS, serveWorker } from "../../../tools/workers/serve.ts";
import { logIn } from "../../fixtures/process/api.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { runCli } from "../../fixtures/process/sealpost.ts";
import { builtWorker } from "../../fixtures/worker-bundle.ts";
import { ADMIN, KEYS, PASSWORD, TEST_MS } from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);

test("a forged backup with a valid hash is rejected with the reason, and the instance goes on as it was", async () => {
  const bindings = { SEALPOST_KEYS: KEYS, SEALPOST_ADMIN_PASSWORD: PASSWORD };
  const bundle = await builtWorker(OBJECT_ENTRY);
  await using worker = await serveWorker({ bundle, bindings, services: OBJECTS });
  using folder = temporaryFolder();
  const url = worker.url.origin;
  const cli = (...args: readonly string[]) =>
    runCli([...args, "--url", url], { folder: folder.path, env: { SEALPOST_KEYS: KEYS } });
  const api = await logIn(url, ADMIN, PASSWORD);
  await api.save("kept", { server: "mail.example.org" });
  const file = join(folder.path, "forged.jsonl");
  expect((await cli("backup", file)).code).toBe(0);
  const lines = readFileSync(file, "utf8").trimEnd().split("\n").slice(0, -1);
  const at = lines.indexOf('{"table":"admin"}') + 1;
  const secret = lines.indexOf('{"table":"instance"}') + 1;
  const forgeries: readonly (readonly [line: number, found: RegExp, forged: string, reason: string])[] = [
    [at, /^\[".*?",/, "[null,", "NOT NULL constraint failed: admin.id"],
    [at, /^\[".*?",/, "[", "table admin has 6 columns but 5 values were supplied"],
    [secret, /.{4}"\]$/, 'AAAA"]', "The given keys do not open the backup: set SEALPOST_KEYS"],
    [0, /"columns":\["name",/, '"columns":["other","name",', "other"],
    [
      0,
      /\{"name":"admin",/,
      '{"name":"migration","columns":["name"],"rows":0},$&',
      "no backup has the table migration",
    ],
  ];
  for (const [line, found, forged, reason] of forgeries) {
    const changed = lines.with(line, (lines[line] ?? "").replace(found, forged));
    expect(changed).not.toEqual(lines);
    const text = changed.map((one) => `${one}\n`).join("");
    const rows = changed.filter((one) => one.startsWith("[")).length;
    const sha256 = createHash("sha256").update(text).digest("hex");
    writeFileSync(file, `${text}${JSON.stringify({ rows, sha256 })}\n`);
    const rejected = await cli("restore", file, "--replace");
    expect(rejected).toMatchObject({ code: 1, stdout: "" });
    expect(rejected.stderr).toContain(reason);
    const definitions = await api.call<Readonly<Record<string, unknown>>>("GET", "/smtpserver/");
    expect(Object.keys(definitions.body.result.value ?? {})).toEqual(["kept"]);
  }
});
