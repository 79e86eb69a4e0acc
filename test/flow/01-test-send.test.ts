import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { ADMIN, startInVain, startSealpost } from "../fixtures/process/sealpost.ts";
import { outside } from "../storage/fixtures/database.ts";

const SMTP_PASSWORD = "smtp-pässword-1";
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

test("the first start prints URL, admin and password; the second start prints no password and keeps the data", async () => {
  using folder = temporaryFolder();
  await using smtp = await startSmtpServer({ users: { mailer: SMTP_PASSWORD } });
  const definition = {
    server: `127.0.0.1:${smtp.port}`,
    username: "mailer",
    password: SMTP_PASSWORD,
    sender: "otp@example.org",
  };

  await using first = await startSealpost({ folder: folder.path });
  first.keepSecret(SMTP_PASSWORD);
  expect(first.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect(first.process.stdout).toContain(`Admin:    ${ADMIN}\n`);
  expect(first.password).toMatch(/^[\w-]{20}$/);

  const api = await first.logIn();
  expect((await api.save("office", definition)).body.result.value).toBe(true);
  expect(Object.keys(await api.list())).toEqual(["office"]);
  const { status, body } = await api.test({
    ...definition,
    identifier: "office",
    password: "__CENSORED__",
    recipient: "you@example.net",
  });
  expect({ status, value: body.result.value }).toEqual({ status: 200, value: true });
  expect(smtp.messages).toMatchObject([
    { from: "otp@example.org", recipients: ["you@example.net"], isAuthenticated: true },
  ]);
  const mail = new TextDecoder().decode(smtp.messages[0]?.bytes);
  expect(mail).toContain("Subject: Test Email from Sealpost\r\n");
  expect(mail).toContain("\r\nTo: you@example.net\r\n");
  expect((await first.stop()).code).toBe(0);

  await using second = await startSealpost({ folder: folder.path });
  second.keepSecret(SMTP_PASSWORD, first.password ?? "");
  expect(second.process.stdout).toBe(`Sealpost is listening on ${second.url}\n`);
  const again = await second.logIn(first.password ?? "");
  expect(await again.list()).toMatchObject({ office: definition });
});

test("only the owner can read the files of a first start, and the database uses WAL", async () => {
  using folder = temporaryFolder();
  await using sealpost = await startSealpost({ folder: folder.path });
  const data = join(folder.path, "data");
  const files = ["sealpost.keys", "sealpost.db", "sealpost.db-wal", "sealpost.db-shm"];
  const modes = ["", ...files].map((name) => modeOf(join(data, name)));
  expect(modes).toEqual(["700", ...files.map(() => "600")]);
  expect((await sealpost.stop()).code).toBe(0);
  expect(await outside(join(data, "sealpost.db"), "PRAGMA journal_mode")).toEqual([{ journal_mode: "wal" }]);
});

test("a password from the environment is not printed", async () => {
  using folder = temporaryFolder();
  const env = { SEALPOST_ADMIN_USER: "root", SEALPOST_ADMIN_PASSWORD: "a password of my own" };
  await using sealpost = await startSealpost({ folder: folder.path, env });
  expect(sealpost.password).toBeNull();
  expect((await sealpost.logIn(env.SEALPOST_ADMIN_PASSWORD, "root")).token).not.toBe("");
});

test("a first start whose port is in use prints no password; the next one does", async () => {
  using folder = temporaryFolder();
  using holder = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  expect(await startInVain({ folder: folder.path, env: { PORT: String(holder.port) } })).toMatchObject({
    code: 1,
    stdout: "",
  });
  await using sealpost = await startSealpost({ folder: folder.path });
  expect(sealpost.password).not.toBeNull();
  expect((await sealpost.logIn()).token).not.toBe("");
});
