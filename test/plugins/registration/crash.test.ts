import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import PostalMime from "postal-mime";
import { startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { request } from "../../fixtures/process/api.ts";
import { TEST_MS } from "../../fixtures/process/child.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { type Sealpost, startSealpost } from "../../fixtures/process/sealpost.ts";
import { outside } from "../../storage/fixtures/database.ts";
import { ANN, codeIn, confirm, delivered, lastCode, register, started, usersOf } from "./setup.ts";

setDefaultTimeout(TEST_MS);

describe("a confirmation whose transaction fails", () => {
  for (const [place, table, event] of [
    ["the user", "directory_user", "INSERT"],
    ["the end of the registration", "registration_pending", "UPDATE OF confirmed_by"],
    ["the audit row", "audit", "INSERT"],
  ] as const) {
    test(`at ${place} changes nothing and can be repeated`, async () => {
      await using instance = await started();
      const { id } = await register(instance);
      const code = await lastCode(instance);
      const { database } = instance;
      await database.commit([
        database.write.run(
          `CREATE TRIGGER broken BEFORE ${event} ON ${table} BEGIN SELECT RAISE(ABORT, 'broken'); END`,
        ),
      ]);
      const before = await database.read.all("SELECT * FROM registration_pending");
      expect((await confirm(instance, id, code)).status).toBe(500);
      expect(await usersOf(instance)).toEqual([]);
      expect(await database.read.all("SELECT * FROM registration_pending")).toEqual(before);
      await database.commit([database.write.run("DROP TRIGGER broken")]);
      expect((await confirm(instance, id, code)).value).toBe(true);
      expect(await usersOf(instance)).toEqual(["ann"]);
    });
  }
});

test("a registration that fails halfway creates no user, sends no code, and can be repeated", async () => {
  await using instance = await started();
  const { database } = instance;
  for (const table of ["registration_pending", "mail"]) {
    const broken = `CREATE TRIGGER broken BEFORE INSERT ON ${table} BEGIN SELECT RAISE(ABORT, 'broken'); END`;
    await database.commit([database.write.run(broken)]);
    expect((await register(instance)).response.status).toBe(500);
    await database.commit([database.write.run("DROP TRIGGER broken")]);
    expect(await delivered(instance)).toEqual([]);
    expect(await usersOf(instance)).toEqual([]);
  }
  const { id } = await register(instance);
  expect((await confirm(instance, id, await lastCode(instance))).value).toBe(true);
});

const NAMES = Array.from({ length: 16 }, (_, index) => `user${index}`);
/** Number of confirmations that get a response before the process is killed. */
const ANSWERED = 3;

test("a process killed during confirmations leaves each user either created or pending, and the pending ones can confirm later", async () => {
  using folder = temporaryFolder();
  await using smtp = await startSmtpServer();
  const env = {
    SEALPOST_TRUSTED_CLIENTS: "127.0.0.1",
    SEALPOST_ADMIN_PASSWORD: "a password for crashes",
    SEALPOST_BASE_URL: "https://sealpost.test",
  };
  const start = () => startSealpost({ folder: folder.path, env });
  const post = (url: string, path: string, parameters: object) =>
    request<boolean>(url + path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(parameters),
    });
  const database = join(folder.path, "data", "sealpost.db");
  const created = async () => {
    const rows = (await outside(database, "SELECT username FROM directory_user")) as { username: string }[];
    return rows.map(({ username }) => username);
  };
  const halfMade = `SELECT username FROM registration_pending
    WHERE (confirmed_by <> '') <> EXISTS (SELECT 1 FROM directory_user WHERE id = user_id)
      OR (confirmed_by = '') <> (password_hash <> '' AND code_mac <> '')
    UNION ALL SELECT username FROM directory_user WHERE (SELECT count(*) FROM audit
      WHERE action = 'POST /register/confirm' AND success = 1 AND identifier = username || '@default') <> 1`;

  const waiting = new Map<string, { readonly id: string; readonly code: string }>();
  {
    await using sealpost = await start();
    const api = await sealpost.logIn();
    await api.save("default", { server: `127.0.0.1:${smtp.port}`, sender: "app@example.org" });
    await api.call("POST", "/system/setConfig", { "register.enabled": true });
    const ids = new Map<string, string>();
    for (const username of NAMES) {
      const given = { ...ANN, username, email: `${username}@example.org` };
      const { body } = await post(sealpost.url, "/register", given);
      ids.set(given.email, (body.detail as { transaction_id?: string }).transaction_id ?? "");
    }
    while (smtp.messages.length < NAMES.length) await Bun.sleep(20);
    for (const { bytes, recipients } of smtp.messages) {
      const [email = ""] = recipients;
      const { text } = await PostalMime.parse(bytes);
      waiting.set(email.replace("@example.org", ""), { id: ids.get(email) ?? "", code: codeIn(text) });
    }
    sealpost.keepSecret(...[...waiting.values()].map(({ code }) => code), ANN.password);
  }

  const confirmAll = async (sealpost: Sealpost, onAnswer: (username: string) => void) => {
    const calls = [...waiting].map(async ([username, { id, code }]) => {
      const { body } = await post(sealpost.url, "/register/confirm", { transaction_id: id, code });
      if (body.result.value === true) onAnswer(username);
    });
    await Promise.allSettled(calls);
  };
  let kills = 0;
  while (waiting.size > 0) {
    await using sealpost = await start();
    let responses = 0;
    const answered: string[] = [];
    await confirmAll(sealpost, (username) => {
      answered.push(username);
      if (++responses === ANSWERED) sealpost.process.signal("SIGKILL");
    });
    await sealpost.stop("SIGKILL");
    kills++;
    const users = await created();
    expect(users).toEqual(expect.arrayContaining(answered));
    expect(await outside(database, halfMade)).toEqual([]);
    for (const username of users) waiting.delete(username);
    expect(kills).toBeLessThan(NAMES.length);
  }
  console.info(`Killed ${kills} times`);
  expect((await created()).toSorted()).toEqual(NAMES.toSorted());
});
