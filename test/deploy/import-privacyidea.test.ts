import { expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { pageCommands } from "../fixtures/process/page.ts";
import { type Sealpost, startSealpost } from "../fixtures/process/sealpost.ts";
import { sender } from "../fixtures/smime/authority.ts";
import { run } from "../fixtures/smime/openssl.ts";

setDefaultTimeout(TEST_MS);

const SCRIPT = join(import.meta.dir, "..", "..", "deploy", "import-privacyidea.py");
const EXPORT = join(import.meta.dir, "fixtures", "privacyidea-export.json");
const python = Bun.which("python3");
const canRun = python !== null && (await run([python, "--version"])).code === 0;
if (!canRun) console.warn("Skipped: the import from privacyIDEA; python3 is not installed");
const hasYaml = canRun && (await run([python ?? "", "-c", "import yaml"])).code === 0;
if (canRun && !hasYaml) console.warn("Skipped: the import of YAML from privacyIDEA; PyYAML is not installed");

/** The files of a privacyIDEA server: an export with paths, and a key with its certificate. */
async function files(folder: string): Promise<string> {
  const { key, certificate, intermediate } = await sender("p256");
  writeFileSync(join(folder, "key.pem"), key);
  writeFileSync(join(folder, "cert.pem"), certificate + intermediate.certificate);
  return (await Bun.file(EXPORT).text()).replaceAll("FOLDER", folder);
}

async function importer(sealpost: Sealpost) {
  const { call } = await sealpost.logIn();
  const parameters = { name: "import", rights: ["smtpserver_write"] };
  const { body } = await call<{ key: string }>("POST", "/apikey/", parameters);
  const variables = { URL: sealpost.url, KEY: body.result.value?.key ?? "" };
  return (...args: readonly string[]) => run([python ?? "", SCRIPT, ...args], variables);
}

test.skipIf(!canRun)(
  "saves what pi-manage exports, reads keys from their files, and says what is missing",
  async () => {
    using folder = temporaryFolder();
    await using sealpost = await startSealpost({ folder: folder.path });
    const file = join(folder.path, "export.json");
    writeFileSync(file, await files(folder.path));
    const runImport = await importer(sealpost);

    const { code, stdout, stderr } = await runImport(file);
    expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
    expect(stdout.split("\n")).toEqual([
      "office: saved",
      "signed: saved",
      "lost: saved",
      "lost: password is censored in the export: set it in Sealpost",
      `lost: private_key cannot be read from ${join(folder.path, "absent.pem")} (FileNotFoundError): set it in Sealpost`,
      "lost: smime is off until key and certificate are there",
      expect.stringMatching(/^far: not saved: .*port/),
      "",
    ]);
    const { call, list } = await sealpost.logIn();
    const saved = await list();
    expect(saved).toMatchObject({
      office: {
        server: "mail.example.org",
        port: 587,
        tls: true,
        password: "of the office",
        description: "The office",
      },
      signed: { smime: true, private_key: "__CENSORED__", enqueue_job: true, dont_send_on_error: true },
      lost: { username: "lost", password: "", smime: false },
    });
    expect(Object.keys(saved).sort()).toEqual(["lost", "office", "signed"]);

    await call("POST", "/smtpserver/office", { server: "new.example.org", password: "" });
    expect((await runImport(file)).stdout).toContain(
      "office: not saved: it exists already; --replace replaces it",
    );
    expect((await list()).office).toMatchObject({ server: "new.example.org", password: "" });
    await runImport(file, "--replace");
    expect((await list()).office).toMatchObject({ server: "mail.example.org" });
  },
);

test.skipIf(!canRun)("the commands of docs/migrate.md import from the output of pi-manage", async () => {
  using folder = temporaryFolder();
  await using sealpost = await startSealpost({ folder: folder.path });
  const { smtpserver } = JSON.parse(await files(folder.path));
  const pi = join(folder.path, "pi-manage");
  writeFileSync(
    join(folder.path, "export.json"),
    JSON.stringify({ smtpserver: { office: smtpserver.office } }),
  );
  writeFileSync(
    pi,
    `#!/bin/sh\n[ "$*" = "config export -t smtpserver" ] && cat ${folder.path}/export.json\n`,
  );
  chmodSync(pi, 0o755);
  const { token, list } = await sealpost.logIn();
  const commands = (await pageCommands("docs/migrate.md")).join("\n");
  const script = `set -eu\ncd ${join(SCRIPT, "..")}\nexport PATH=${folder.path}:$PATH\n${commands}`;
  const ended = await run(["bash", "-c", script], { URL: sealpost.url, TOKEN: token });
  expect(ended).toMatchObject({ code: 0, stdout: expect.stringContaining("office: saved\n") });
  expect(await list()).toMatchObject({ office: { password: "of the office" } });
});

test.skipIf(!hasYaml)("reads YAML, and the response of GET /smtpserver/", async () => {
  using folder = temporaryFolder();
  await using sealpost = await startSealpost({ folder: folder.path });
  const yaml = join(folder.path, "export.yaml");
  writeFileSync(
    yaml,
    "privacyIDEA_version: '3.13'\nsmtpserver:\n  a:\n    server: mail.example.org\n    port: 25\n",
  );
  const response = join(folder.path, "response.json");
  writeFileSync(
    response,
    JSON.stringify({ result: { value: { b: { server: "mail.example.org", password: "" } } } }),
  );
  const runImport = await importer(sealpost);
  expect(await runImport(yaml)).toMatchObject({ code: 0, stdout: "a: saved\n" });
  expect(await runImport(response)).toMatchObject({ code: 0, stdout: "b: saved\n" });
  expect((await runImport(EXPORT.replace("export.json", "none"))).code).not.toBe(0);
});
