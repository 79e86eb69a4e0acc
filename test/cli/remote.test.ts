import { expect, setDefaultTimeout, test } from "bun:test";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { runCli, startSealpost } from "../fixtures/process/sealpost.ts";

setDefaultTimeout(TEST_MS);

const PASSWORD = "smtp-secret-9";
const RIGHTS =
  "smtpserver_read,smtpserver_write,mail_read,mail_write,mail_send,apikey_read,apikey_write,adminread,adminwrite,configread";

test("--url works with an API key alone, from a folder without a database", async () => {
  using home = temporaryFolder();
  using elsewhere = temporaryFolder();
  await using smtp = await startSmtpServer({ users: { mailer: PASSWORD } });
  await using sealpost = await startSealpost({ folder: home.path });
  const made = await runCli(["apikey", "create", "ops", "--admin", "admin", "--rights", RIGHTS], {
    folder: home.path,
  });
  const key = made.stdout.trim();
  const cli = async (args: readonly string[], input?: string) => {
    const env = { SEALPOST_API_KEY: key };
    const options = { folder: elsewhere.path, env, ...(input !== undefined && { input }) };
    const ended = await runCli([...args, "--url", sealpost.url], options);
    expect(ended.stdout + ended.stderr).not.toContain(key);
    expect(ended.stdout + ended.stderr).not.toContain(PASSWORD);
    return ended;
  };

  const server = ["--server", `127.0.0.1:${smtp.port}`, "--starttls", "no", "--username", "mailer"];
  const options = ["--sender", "a@example.org", "--secret-stdin", "--test"];
  const added = await cli(["server", "add", "office", ...server, ...options], PASSWORD);
  expect([added.code, added.stdout]).toEqual([0, expect.stringMatching(/^office is saved\n.*Reached auth/s)]);
  expect((await cli(["server", "list"])).stdout).toContain(`office      127.0.0.1:${smtp.port}  none`);
  const tested = await cli(["server", "test", "office", "you@example.net"]);
  expect([tested.code, tested.stdout]).toEqual([0, expect.stringContaining("Delivered to you@example.net")]);
  expect(smtp.messages).toMatchObject([{ recipients: ["you@example.net"], isAuthenticated: true }]);

  expect((await cli(["admin", "list", "--json"])).stdout).toContain('"username": "admin"');
  const listed = JSON.parse((await cli(["apikey", "list", "--json"])).stdout);
  expect(listed).toMatchObject([{ name: "ops", administrator: "admin" }]);
  const rotate = await cli(["keys", "rotate"]);
  expect(rotate).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('"keys rotate" needs the database'),
  });
  const removed = await cli(["apikey", "remove", listed[0].id]);
  expect(removed.code).toBe(0);
  expect((await cli(["server", "list"])).stderr).toMatch(/^sealpost: Authentication failure/);
});

test.each([
  [["--url", "http://mail.example.org"], {}, "--url: expected https://"],
  [["--url", "https://anna:word@mail.example.org"], {}, "--url: expected https://"],
  [["--url", "http://127.0.0.1:1"], {}, "Expected an API key in SEALPOST_API_KEY"],
  [
    ["--url", "http://127.0.0.1:1"],
    { SEALPOST_API_KEY: "password" },
    "Expected an API key in SEALPOST_API_KEY",
  ],
  [
    ["--url", "http://127.0.0.1:1", "--key-stdin"],
    {},
    "Expected an API key in the first line of standard input",
  ],
  [
    ["--url", "http://127.0.0.1:1"],
    { SEALPOST_API_KEY: `sp_${"x".repeat(43)}` },
    "sealpost: Cannot reach 127.0.0.1:1: ",
  ],
])("%j with %j is an error that says what to do", async (args, env, message) => {
  using folder = temporaryFolder();
  const { code, stdout, stderr } = await runCli(["server", "list", ...args], { folder: folder.path, env });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toContain(message);
});
