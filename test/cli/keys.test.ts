import { expect, setDefaultTimeout, test } from "bun:test";
import { appendFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { session } from "../fixtures/process/api.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { pageCommands, runCommands } from "../fixtures/process/page.ts";
import { runCli, startSealpost } from "../fixtures/process/sealpost.ts";
import { outside } from "../storage/fixtures/database.ts";

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

test("keys rotate --tokens replaces the secrets of tokens and codes, keeps those of PINs, and is audited", async () => {
  using folder = temporaryFolder();
  const options = { folder: folder.path };
  const path = `${folder.path}/data/sealpost.db`;
  await runCli(["migrate"], options);
  const copied = ["pepper x", "pin pepper x"].map(
    (name) => `INSERT INTO instance SELECT '${name}', value FROM instance WHERE name = 'token_secret'`,
  );
  await outside(path, ...copied);
  const rotated = await runCli(["keys", "rotate", "--tokens"], options);
  expect(rotated).toMatchObject({ code: 0, stderr: "" });
  expect(rotated.stdout).toStartWith("Restart every server now");
  const names = await outside(path, "SELECT name FROM instance ORDER BY name");
  expect(names).toEqual([{ name: "key_check" }, { name: "mac_secret" }, { name: "pin pepper x" }]);
  const rows = await outside(path, "SELECT action, fields FROM audit");
  expect(rows).toEqual([{ action: "cli keys rotate", fields: "tokens" }]);
});

test("the commands of docs/after-a-theft.md void the tokens that a thief can make", async () => {
  using folder = temporaryFolder();
  const env = { SEALPOST_ADMIN_PASSWORD: "a password before the theft" };
  const file = `${folder.path}/data/sealpost.keys`;
  let token = "";
  {
    await using server = await startSealpost({ folder: folder.path, env });
    ({ token } = await server.logIn());
    await server.stop();
  }
  const old = readFileSync(file, "utf8");
  const [renewing = "", passwords = ""] = await pageCommands("docs/after-a-theft.md");
  expect(await runCommands(renewing, folder.path)).toBe(0);
  expect(readFileSync(file, "utf8")).toMatch(/^[0-9a-f]{8}:[A-Za-z0-9+/]{43}=\n$/);
  expect(readFileSync(file, "utf8")).not.toBe(old);
  expect((statSync(file).mode & 0o777).toString(8)).toBe("600");
  await using server = await startSealpost({ folder: folder.path, env });
  expect((await session(server.url, token).call("GET", "/smtpserver/")).status).toBe(401);
  const before = await server.logIn();
  expect(await runCommands(passwords, folder.path)).toBe(0);
  expect((await before.call("GET", "/smtpserver/")).status).toBe(401);
});
