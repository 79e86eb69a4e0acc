import { afterEach, expect, setDefaultTimeout, spyOn, test } from "bun:test";
import { join } from "node:path";
import { runCommandLine } from "../../src/cli/program.ts";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { runCli, startSealpost } from "../fixtures/process/sealpost.ts";
import { CLIENT, startTokenServer } from "../fixtures/token-server.ts";

setDefaultTimeout(TEST_MS);

const PASSWORD = "smtp-secret-9";
const RIGHTS =
  "smtpserver_read,smtpserver_write,mail_read,mail_write,mail_send,apikey_read,apikey_write,adminread,adminwrite,configread";

afterEach(() => {
  delete process.env.SEALPOST_API_KEY;
});

/** Runs a command in this process, which is faster. */
async function runHere(args: readonly string[], key = "") {
  let stdout = "";
  let stderr = "";
  using out = spyOn(process.stdout, "write").mockImplementation((text) => {
    stdout += String(text);
    return true;
  });
  using err = spyOn(process.stderr, "write").mockImplementation((text) => {
    stderr += String(text);
    return true;
  });
  process.env.SEALPOST_API_KEY = key;
  await runCommandLine(args);
  const code = process.exitCode ?? 0;
  process.exitCode = 0;
  expect([out.mock.calls.length + err.mock.calls.length, stdout + stderr]).toEqual([
    expect.any(Number),
    key === "" ? expect.any(String) : expect.not.stringContaining(key),
  ]);
  return { code, stdout, stderr };
}

test("--url works with an API key alone, from a folder without a database", async () => {
  using home = temporaryFolder();
  using elsewhere = temporaryFolder();
  await using smtp = await startSmtpServer({ users: { mailer: PASSWORD } });
  await using sealpost = await startSealpost({ folder: home.path });
  const made = await runCli(["apikey", "create", "ops", "--admin", "admin", "--rights", RIGHTS], {
    folder: home.path,
  });
  const key = made.stdout.trim();
  const remote = (...args: readonly string[]) => runHere([...args, "--url", sealpost.url], key);

  const server = ["--server", `127.0.0.1:${smtp.port}`, "--starttls", "no", "--username", "mailer"];
  const options = ["--sender", "a@example.org", "--secret-stdin", "--test", "--url", sealpost.url];
  const added = await runCli(["server", "add", "office", ...server, ...options], {
    ...{ folder: elsewhere.path, env: { SEALPOST_API_KEY: key }, input: PASSWORD },
  });
  expect([added.code, added.stdout]).toEqual([0, expect.stringMatching(/^office is saved\n.*Reached auth/s)]);
  expect((await remote("server", "list")).stdout).toContain(`office      127.0.0.1:${smtp.port}  none`);
  const shown = await remote("server", "show", "office");
  expect(shown.stdout).toMatch(/^password +__CENSORED__$/m);
  const tested = await remote("server", "test", "office", "you@example.net");
  expect([tested.code, tested.stdout]).toEqual([0, expect.stringContaining("Delivered to you@example.net")]);
  expect(smtp.messages).toMatchObject([{ recipients: ["you@example.net"], isAuthenticated: true }]);

  const file = join(elsewhere.path, "note.txt");
  await Bun.write(file, "attached");
  const message = [
    "--server",
    "office",
    "--to",
    "Ann <ann@example.net>",
    "--subject",
    "Hello",
    "--text",
    "Hi",
  ];
  const sent = await remote("mail", "send", ...message, "--attach", file, "--no-queue");
  expect([sent.code, sent.stdout]).toEqual([0, expect.stringMatching(/^Message [\w-]{36} is sent: 250 /m)]);
  const bytes = smtp.messages.at(-1)?.bytes ?? new Uint8Array();
  expect(new TextDecoder().decode(bytes)).toMatch(/^Content-Disposition: attachment; filename="?note.txt"?/m);
  const unknown = await remote("mail", "send", "--server", "none", "--to", "a@example.net", "--text", "Hi");
  expect([unknown.code, unknown.stdout]).toEqual([1, ""]);
  const late = await remote("mail", "send", ...message, "--send-at", "tomorrow");
  expect(late.stderr).toContain("send_at");

  const doctor = await remote("doctor");
  expect(doctor.stdout).toMatch(/^CHECK +RESULT +WHAT TO DO\n/);
  expect(doctor.stdout).toMatch(/^keys +ok /m);
  const checks: { ok: boolean }[] = JSON.parse((await remote("doctor", "--json")).stdout);
  expect(doctor.code).toBe(checks.every(({ ok }) => ok) ? 0 : 1);

  const admin = await remote("admin", "add", "anna");
  expect([admin.code, admin.stdout]).toEqual([0, expect.stringMatching(/^Password of anna: \S+\n$/)]);
  expect(await remote("admin", "add", "anna")).toMatchObject({
    ...{ code: 1, stdout: "", stderr: "sealpost: anna exists already\n" },
  });
  expect(JSON.parse((await remote("admin", "list", "--json")).stdout)).toHaveLength(2);
  const queue = JSON.parse((await remote("queue", "list", "--json")).stdout);
  expect(queue).toMatchObject({ mails: [{ identifier: "office", state: "sent" }], count: 1 });
  const denied = await remote("apikey", "create", "more", "--rights", "auditlog");
  expect(denied).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/^sealpost: \S.*\n$/) });
  const listed = JSON.parse((await remote("apikey", "list", "--json")).stdout);
  expect(listed).toMatchObject([{ name: "ops", administrator: "admin" }]);
  const status = await remote("queue", "status");
  expect([status.code, status.stdout]).toEqual([
    0,
    "STATE  SERVER  MESSAGES\nsent   office  1\nNo message waits\n",
  ]);
  expect((await remote("server", "remove", "office")).stdout).toBe("office is removed\n");

  const rotate = await remote("keys", "rotate");
  expect(rotate).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(
      `"keys rotate" with --url needs the keys of that instance: set SEALPOST_KEYS`,
    ),
  });
  expect((await remote("apikey", "remove", listed[0].id)).code).toBe(0);
  expect((await remote("server", "list")).stderr).toMatch(/^sealpost: Authentication failure/);
});

test("server login by --url prints the URL of a sign-in, which the server completes", async () => {
  using home = temporaryFolder();
  await using tokens = await startTokenServer();
  const env = { SEALPOST_BASE_URL: "https://mail.example.org" };
  await using sealpost = await startSealpost({ folder: home.path, env });
  const admin = await sealpost.logIn();
  const oauth = { auth: "oauth2", oauth_flow: "refresh_token", oauth_scope: "mail offline_access" };
  const client = { oauth_client_id: CLIENT.id, oauth_client_secret: CLIENT.secret };
  await admin.save("main", {
    ...{ server: "smtps://mail.example.org", username: "mailbox@example.com" },
    ...{ ...oauth, ...client, oauth_token_url: tokens.tokenUrl },
  });
  const made = await admin.call<{ readonly key: string }>("POST", "/apikey/", {
    ...{ name: "ops", rights: ["smtpserver_write", "smtpserver_read"] },
  });
  const key = made.body.result.value?.key ?? "";
  const started = await runHere(["server", "login", "main", "--url", sealpost.url], key);
  expect(started).toMatchObject({ code: 0, stderr: "" });
  const [open, url = "", redirect] = started.stdout.split("\n");
  expect(open).toMatch(/^Open this URL in a browser before \S+Z, and sign in as the mailbox of main:$/);
  expect(redirect).toBe("The provider has to know the redirect URI https://mail.example.org/oauth/callback.");
  const { headers } = await fetch(url, { redirect: "manual" });
  const { pathname, search } = new URL(headers.get("location") ?? "");
  expect((await fetch(sealpost.url + pathname + search)).status).toBe(200);
  const shown = await runHere(["server", "show", "main", "--url", sealpost.url], key);
  expect(shown.stdout).toMatch(/^auth\.oauth_refresh_token +__CENSORED__$/m);
});

const LOOPBACK = ["--url", "http://127.0.0.1:1"];
test.each([
  [["--url", "http://mail.example.org"], "", "--url: expected https://"],
  [["--url", "https://anna:word@mail.example.org"], "", "--url: expected https://"],
  [LOOPBACK, "", "Expected an API key in SEALPOST_API_KEY"],
  [LOOPBACK, "password", "Expected an API key in SEALPOST_API_KEY"],
  [LOOPBACK, `sp_${"x".repeat(43)}`, "sealpost: Cannot reach 127.0.0.1:1: "],
])("%j with the key %j is an error that says what to do", async (args, key, message) => {
  const { code, stdout, stderr } = await runHere(["server", "list", ...args], key);
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toContain(message);
});
