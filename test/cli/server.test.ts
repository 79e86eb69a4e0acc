import { expect, setDefaultTimeout, test } from "bun:test";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { runCli, startSealpost } from "../fixtures/process/sealpost.ts";
import { reply } from "../fixtures/smtp/misbehaviour.ts";
import { startSmtpServer } from "../fixtures/smtp/server.ts";

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
  const lines = (await cli("list")).stdout.trim().split("\n").sort();
  expect(lines).toEqual([
    "away  mail.example.org:465 implicit  unsigned",
    `office  127.0.0.1:${smtp.port} none  unsigned  Our own`,
  ]);

  const sent = await cli("test", "office", "you@example.net");
  expect(sent).toMatchObject({ code: 0, stdout: "Delivered to you@example.net: 250 Queued\n" });
  expect(smtp.mails).toMatchObject([{ recipients: ["you@example.net"], isAuthenticated: true }]);

  smtp.script("rcpt", reply("550 5.1.1 No such user"));
  const refused = await cli("test", "office", "you@example.net");
  expect(refused).toMatchObject({ code: 1, stderr: "" });
  expect(refused.stdout).toMatch(
    /^Not delivered: recipient_rejected in phase recipient \(550 .*No such user\)\n.*address\.\n$/,
  );

  const rows = (await api.audit()).filter(({ action }) => action === "cli server test");
  expect(rows).toMatchObject([
    { success: false, identifier: "office", recipient: "you@example.net", phase: "recipient" },
    { success: true, identifier: "office", recipient: "you@example.net" },
  ]);
});

test("server test says when there is no such definition, or no such address", async () => {
  using folder = temporaryFolder();
  const cli = (...args: readonly string[]) => runCli(["server", "test", ...args], { folder: folder.path });
  expect(await cli("none", "you@example.net")).toEqual({
    code: 1,
    stdout: "",
    stderr: 'sealpost: There is no definition "none"\n',
  });
  expect(await cli("none", "you")).toEqual({
    code: 1,
    stdout: "",
    stderr: 'sealpost: "you" is not one mailbox\n',
  });
});
