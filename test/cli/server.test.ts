import { expect, setDefaultTimeout, test } from "bun:test";
import { reply, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { runCli, startSealpost } from "../fixtures/process/sealpost.ts";
import { isInstalled, scratchFile } from "../fixtures/smime/openssl.ts";
import { decrypt, recipient } from "../fixtures/smime/recipient.ts";

setDefaultTimeout(TEST_MS);

const PASSWORD = "smtp-secret-9";

test("server list and server test work on the definitions of a running server, and show no password", async () => {
  using folder = temporaryFolder();
  await using smtp = await startSmtpServer({ users: { mailer: PASSWORD } });
  await using sealpost = await startSealpost({ folder: folder.path });
  const cli = async (...args: readonly string[]) => {
    const ended = await runCli(["server", ...args], { folder: folder.path });
    expect(ended.stdout + ended.stderr).not.toContain(PASSWORD);
    return ended;
  };
  expect(await cli("list")).toEqual({ code: 0, stdout: "", stderr: "" });
  const api = await sealpost.logIn();
  const office = {
    server: `127.0.0.1:${smtp.port}`,
    username: "mailer",
    password: PASSWORD,
    sender: "a@example.org",
  };
  await api.save("office", { ...office, description: "Our own\nsecond line" });
  await api.save("away", { server: "smtps://mail.example.org" });
  const place = `127.0.0.1:${smtp.port}`;
  const [heads, ...lines] = (await cli("list")).stdout.trim().split("\n");
  expect(heads).toMatch(/^IDENTIFIER {2}SERVER +TLS {7}SENDER {9}SIGNS {2}DESCRIPTION$/);
  expect(lines.sort()).toEqual([
    "away        mail.example.org:465  implicit  -              no     -",
    `office      ${place.padEnd(20)}  none      a@example.org  no     Our own …`,
  ]);
  expect(JSON.parse((await cli("list", "--json")).stdout)).toMatchObject({
    away: { server: "smtps://mail.example.org", password: "" },
    office: { username: "mailer", password: "__CENSORED__" },
  });

  for (const to of [["you@example.net"], ["--to", "you@example.net"]]) {
    const sent = await cli("test", "office", ...to);
    expect(sent.code).toBe(0);
    expect(sent.stdout).toEndWith("Delivered to you@example.net: 250 Queued\n");
  }
  const received = { recipients: ["you@example.net"], isAuthenticated: true };
  expect(smtp.messages).toMatchObject([received, received]);

  smtp.script("rcpt", reply("550 5.1.1 No such user"));
  const refused = await cli("test", "office", "you@example.net");
  expect(refused).toMatchObject({ code: 1, stderr: "" });
  expect(refused.stdout).toMatch(
    /^Not delivered: recipient_rejected in phase recipient \(550 .*No such user\)\n.*address\.\n$/m,
  );

  const rows = (await api.audit()).filter(({ action }) => action === "cli server test");
  expect(rows).toMatchObject([
    { success: false, identifier: "office", recipient: "you@example.net", phase: "recipient" },
    { success: true, identifier: "office", recipient: "you@example.net" },
    { success: true, identifier: "office", recipient: "you@example.net" },
  ]);
});

test("server show has the definition and its health, and server remove deletes it", async () => {
  using folder = temporaryFolder();
  await using sealpost = await startSealpost({ folder: folder.path });
  const api = await sealpost.logIn();
  const login = { username: "mailer", password: PASSWORD };
  await api.save("office", { server: "mail.example.org", ...login, sender: "a@example.org" });
  const cli = async (...args: readonly string[]) => {
    const ended = await runCli(["server", ...args], { folder: folder.path });
    expect(ended.stdout + ended.stderr).not.toContain(PASSWORD);
    return ended;
  };
  const shown = (await cli("show", "office")).stdout;
  expect(shown).toMatch(/^username +mailer$/m);
  expect(shown).toMatch(/^password +__CENSORED__$/m);
  expect(shown).toMatch(/^health.circuit +closed$/m);
  const { value, detail } = JSON.parse((await cli("show", "office", "--json")).stdout);
  expect([value.port, detail.health.circuit]).toEqual([25, "closed"]);
  expect(await cli("remove", "office")).toEqual({ code: 0, stdout: "office is removed\n", stderr: "" });
  const unknown = { code: 1, stdout: "", stderr: 'sealpost: There is no definition "office"\n' };
  expect(await cli("remove", "office")).toEqual(unknown);
});

test("the operator may change where codes go, whatever right a policy names for it", async () => {
  using folder = temporaryFolder();
  await using sealpost = await startSealpost({ folder: folder.path });
  const api = await sealpost.logIn();
  await api.save("default", { server: "mail.example.org", sender: "a@example.org" });
  const policy = { scope: "admin", action: "*, !smtpserver_route", adminuser: "admin" };
  expect((await api.call("POST", "/policy/everything", policy)).status).toBe(200);
  expect((await api.call("DELETE", "/smtpserver/default")).status).toBe(403);
  const cli = (...args: readonly string[]) => runCli(["server", ...args], { folder: folder.path });
  const removed = await cli("remove", "default");
  expect(removed).toMatchObject({ code: 0, stdout: "default is removed\n" });
  expect(removed.stderr).toContain("The plugin email-token sends through it");
  expect(await cli("add", "default", "--server", "mail.example.org", "--username", "")).toMatchObject({
    code: 0,
  });
  const [added, deleted] = (await api.audit()).filter(({ info }) => String(info).startsWith("rerouted"));
  expect(added).toMatchObject({
    action: "cli server add",
    info: expect.stringContaining("rerouted (created)"),
  });
  expect(deleted).toMatchObject({
    action: "cli server remove",
    info: expect.stringContaining("rerouted (deleted)"),
  });
});

test("server test --until checks the server of a definition and sends nothing", async () => {
  using folder = temporaryFolder();
  await using smtp = await startSmtpServer({ users: { mailer: PASSWORD } });
  await using sealpost = await startSealpost({ folder: folder.path });
  const api = await sealpost.logIn();
  const definition = { server: `127.0.0.1:${smtp.port}`, username: "mailer", sender: "a@example.org" };
  await api.save("office", { ...definition, password: PASSWORD });
  const check = (...args: readonly string[]) =>
    runCli(["server", "test", "office", ...args], { folder: folder.path });

  const reached = await check("--until", "auth");
  expect(reached).toMatchObject({ code: 0, stderr: "" });
  expect(reached.stdout).toMatch(/^Greeting: +\S/m);
  expect(reached.stdout).toMatch(/^Mechanisms: +.*PLAIN/m);
  expect(reached.stdout).toMatch(/^Reached auth.*; nothing was sent\n$/m);

  smtp.script("rcpt", reply("550 5.1.1 No such user"));
  const rejected = await check("--until", "recipient", "--to", "you@example.net");
  expect(rejected).toMatchObject({ code: 1, stderr: "" });
  expect(rejected.stdout).toMatch(/^Not reached recipient: recipient_rejected in phase recipient \(550 /m);
  expect(smtp.messages).toEqual([]);
  const rows = (await api.audit()).filter(({ action }) => action === "cli server test");
  expect(rows).toMatchObject([{ success: false }, { success: true, info: "check until auth" }]);
});

test.skipIf(!isInstalled("openssl"))(
  "server test --certificate encrypts to the certificate in a file, and rejects one of another address",
  async () => {
    using folder = temporaryFolder();
    await using smtp = await startSmtpServer();
    await using sealpost = await startSealpost({ folder: folder.path });
    const api = await sealpost.logIn();
    const server = `127.0.0.1:${smtp.port}`;
    await api.save("office", { server, sender: "a@example.org", smime_encrypt: true });
    const anna = await recipient("p256", "anna@example.net");
    const file = scratchFile(anna.certificate);
    const cli = (...args: readonly string[]) =>
      runCli(["server", "test", "office", ...args], { folder: folder.path });

    const sent = await cli("anna@example.net", "--certificate", file);
    expect(sent).toMatchObject({ code: 0, stderr: "" });
    expect(sent.stdout).toContain("Delivered to anna@example.net, encrypted: 250");
    const bytes = smtp.messages[0]?.bytes ?? new Uint8Array();
    expect((await decrypt(bytes, anna)).stdout).toContain("This is a test email from Sealpost.");

    const other = await cli("bert@example.net", "--certificate", file);
    expect(other).toMatchObject({ code: 1, stdout: "" });
    expect(other.stderr).toMatch(/^sealpost: .*recipient_certificate.*bert@example\.net/);
    expect(await cli("anna@example.net", "--certificate", `${file}-none`)).toMatchObject({
      code: 1,
      stderr: `sealpost: Cannot read ${file}-none: give the path of the PEM file\n`,
    });
    expect(await cli("--until", "auth", "--certificate", file)).toMatchObject({
      code: 1,
      stderr: "sealpost: Name the recipient: --to <address>\n",
    });
    expect(smtp.messages).toHaveLength(1);
  },
);

test("server test reports an unknown definition and an invalid address", async () => {
  using folder = temporaryFolder();
  const cli = (...args: readonly string[]) => runCli(["server", "test", ...args], { folder: folder.path });
  expect(await cli("none", "you@example.net")).toEqual({
    code: 1,
    stdout: "",
    stderr: "sealpost: The requested SMTPServer could not be found.\n",
  });
  expect(await cli("none", "you")).toEqual({
    code: 1,
    stdout: "",
    stderr: 'sealpost: "you" is not one mailbox\n',
  });
  for (const args of [["none"], ["none", "--until", "recipient"]]) {
    const stderr = "sealpost: Name the recipient: --to <address>\n";
    expect(await cli(...args)).toEqual({ code: 1, stdout: "", stderr });
  }
  expect(await cli("none", "--until", "auth")).toMatchObject({
    code: 1,
    stderr: "sealpost: The requested SMTPServer could not be found.\n",
  });
  const unknown = await cli("none", "--until", "token");
  expect(unknown.code).toBe(1);
  expect(unknown.stderr).toContain("oauth, connect, tls, auth, sender, recipient");
});
