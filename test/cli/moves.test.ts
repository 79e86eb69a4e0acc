import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openPortable } from "../../src/runtime/local/portable-file.ts";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { startSqld } from "../../tools/sqld.ts";
import { OBJECT_ENTRY } from "../../tools/workers/build.ts";
import { OBJECTS, serveWorker } from "../../tools/workers/serve.ts";
import { session } from "../fixtures/process/api.ts";
import { type Environment, TEST_MS } from "../fixtures/process/child.ts";
import { type Folder, temporaryFolder } from "../fixtures/process/folder.ts";
import { followCommands, pageCommands } from "../fixtures/process/page.ts";
import { runCli, startSealpost } from "../fixtures/process/sealpost.ts";
import { builtWorker } from "../fixtures/worker-bundle.ts";
import { counting, openDesk } from "./queue-support.ts";

setDefaultTimeout(TEST_MS);

const PASSWORD = "a password of the first admin";
const KEYS = `moved:${Buffer.alloc(32, 7).toString("base64")}`;
const ENV = { SEALPOST_ADMIN_PASSWORD: PASSWORD, SEALPOST_KEYS: KEYS };
const KEY_FILE = join("data", "sealpost.keys");
const FROM = { sender: "me@example.org", username: "me", password: "a password at the provider" };
/** `LONG_TESTS=1`: as many as `npm run proof:moves` moves. */
const QUEUED = process.env.LONG_TESTS === "1" ? 10_000 : 300;

const cli = ({ path }: Folder, env: Environment, ...args: readonly string[]) =>
  runCli(args, { folder: path, env: { ...ENV, ...env } });

/** Creates an instance with a key file, a definition and queued mail. @returns a token of its admin. */
async function filled(folder: Folder, port: number): Promise<string> {
  mkdirSync(join(folder.path, "data"));
  writeFileSync(join(folder.path, KEY_FILE), KEYS);
  writeFileSync(join(folder.path, "data", "sealpost.db"), "");
  await cli(folder, {}, "migrate");
  await using server = await startSealpost({
    folder: folder.path,
    env: { SEALPOST_ADMIN_PASSWORD: PASSWORD },
  });
  const { token } = await server.logIn(PASSWORD);
  await server.stop();
  await using desk = await openDesk(folder);
  await desk.save("office", port, FROM);
  for (let i = 0; i < QUEUED; i++) await desk.queue(`user${i}@example.net`);
  return token;
}

/** Writes a portable backup of a new instance. @returns its path. */
async function portableBackup(folder: Folder): Promise<string> {
  await cli(folder, {}, "migrate");
  await cli(folder, {}, "backup", "copy.jsonl", "--portable");
  return join(folder.path, "copy.jsonl");
}

test("an instance moves from a file to an object, a database server and a file, and holds its queue until it is released", async () => {
  using start = temporaryFolder();
  using end = temporaryFolder();
  using data = temporaryFolder();
  const { body, all } = counting(QUEUED);
  const users = { me: FROM.password };
  await using smtp = await startSmtpServer({ users, script: { body } });
  const token = await filled(start, smtp.port);
  const [, , , releasing = "", moving = ""] = await pageCommands("docs/operate.md");
  const sealpostFile = join(start.path, "sealpost.jsonl");
  const back = join(start.path, "back.jsonl");

  const bindings = { SEALPOST_KEYS: KEYS, SEALPOST_ADMIN_PASSWORD: PASSWORD };
  await using worker = await serveWorker({
    bundle: await builtWorker(OBJECT_ENTRY),
    bindings,
    services: OBJECTS,
  });
  const { origin } = worker.url;
  const moved = await followCommands(moving.replace("https://sealpost.example.org", origin), start.path, {});
  expect(moved.rest).toContain(`${QUEUED} messages and webhooks are held`);
  expect((statSync(sealpostFile).mode & 0o777).toString(8)).toBe("600");
  expect(readFileSync(sealpostFile, "utf8")).not.toContain(FROM.password);
  const inObject = await session(origin, token).call<{ readonly held: number }>("GET", "/mail/stats");
  expect(inObject.body.result.value?.held).toBe(QUEUED);
  expect(await cli(start, {}, "backup", back, "--url", origin)).toMatchObject({ code: 0, stderr: "" });

  await using sqld = await startSqld({ folder: data.path });
  const remote = { SEALPOST_DATABASE_URL: sqld.url };
  expect(await cli(end, remote, "restore", back)).toMatchObject({ code: 0, stderr: "" });
  const last = join(start.path, "last.jsonl");
  expect(await cli(end, remote, "backup", last)).toMatchObject({ code: 0, stderr: "" });
  expect(await cli(end, {}, "restore", last)).toMatchObject({ code: 0, stderr: "" });
  expect(readdirSync(join(end.path, "data"))).toEqual(["sealpost.db"]);

  await using server = await startSealpost({ folder: end.path, env: ENV });
  server.keepSecret(token);
  expect(server.process.stderr).toContain(`${QUEUED} messages and webhooks are held, as after a restore`);
  const api = session(server.url, token);
  const test = { recipient: "new@example.net" };
  const sent = await api.call<boolean>("POST", "/smtpserver/office/send_test_email", test);
  expect(sent.body.result.value).toBe(true);
  expect(smtp.messages.map(({ recipients }) => recipients)).toEqual([["new@example.net"]]);
  const status = await cli(end, {}, "queue", "status");
  expect(status.stdout).toContain(`${QUEUED} messages and webhooks are held: "queue release" sends them`);
  const { rest } = await followCommands(releasing, end.path, ENV);
  expect(rest).toEndWith(`${QUEUED} messages and webhooks are released\n`);
  await all;
  expect(smtp.logins.every(({ isAccepted }) => isAccepted)).toBe(true);
});

describe("a portable backup", () => {
  test("that is cut off anywhere is rejected, and no database is created", async () => {
    using folder = temporaryFolder();
    using target = temporaryFolder();
    const whole = readFileSync(await portableBackup(folder));
    const cut = join(target.path, "cut.jsonl");
    mkdirSync(join(target.path, "data"));
    for (let length = 1; length < whole.length; length++) {
      writeFileSync(cut, whole.subarray(0, length));
      const read = async () => {
        for await (const _ of (await openPortable(cut)).batches());
      };
      await expect(read()).rejects.toThrow(/is cut off or damaged|is not a backup/);
    }
    expect(await cli(target, {}, "restore", cut)).toMatchObject({ code: 1, stdout: "" });
    expect(readdirSync(join(target.path, "data"))).toEqual([]);
  });

  test("that was changed is rejected", async () => {
    using folder = temporaryFolder();
    const file = await portableBackup(folder);
    writeFileSync(file, readFileSync(file, "utf8").replace('"key_check"', '"key_chock"'));
    expect((await cli(folder, {}, "restore", file, "--replace")).stderr).toContain("is cut off or damaged");
  });

  test("with a damaged header, or a row that lost a value, is called damaged before any of it is used", async () => {
    using folder = temporaryFolder();
    const file = await portableBackup(folder);
    const whole = readFileSync(file, "utf8");
    for (const [found, damage] of [
      [/"keys":\["/, "$&x"],
      [/"hash":"../, '"hash":"00'],
      [/"name":"admin"/, '"name":"admjn"'],
      [/"0001_core"/, '"0009_core"'],
      [/^(\[".*?"),/m, "$1 "],
    ] as const) {
      const text = whole.replace(found, damage);
      expect(text).not.toBe(whole);
      writeFileSync(file, text);
      await expect(openPortable(file)).rejects.toThrow("is cut off or damaged: use another backup");
    }
    let requests = 0;
    await using instance = Bun.serve({ port: 0, fetch: () => Response.json(requests++) });
    const rejected = await cli(folder, {}, "restore", file, "--url", instance.url.origin);
    expect(rejected.stderr).toContain("is cut off or damaged: use another backup");
    expect(requests).toBe(0);
  });

  test("is rejected with the keys of another instance, and says what to do", async () => {
    using folder = temporaryFolder();
    using target = temporaryFolder();
    const file = await portableBackup(folder);
    const other = `moved:${Buffer.alloc(32, 8).toString("base64")}`;
    const rejected = await cli(target, { SEALPOST_KEYS: other }, "restore", file);
    expect(rejected.stderr).toContain("do not open the backup: set SEALPOST_KEYS, or the key file");
    const copied = await cli(folder, {}, "backup", "copy.db");
    expect(copied.code).toBe(0);
    const copy = join(folder.path, "copy.db");
    const asCopy = await cli(target, { SEALPOST_KEYS: other }, "restore", copy);
    expect(asCopy.stderr).toContain("do not open the backup: set SEALPOST_KEYS, or the key file");
    expect(readdirSync(join(target.path, "data"))).toEqual([]);
  });
});
