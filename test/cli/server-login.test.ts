import { expect, setDefaultTimeout, test } from "bun:test";
import { Child, TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { runCli } from "../fixtures/process/sealpost.ts";
import { CLIENT, startTokenServer, type TokenServer } from "../fixtures/token-server.ts";
import { outside } from "../storage/fixtures/database.ts";

setDefaultTimeout(TEST_MS);

const MAILBOX = "mailbox@example.com";

/** Adds the definition `main`, for which no one has signed in. */
async function addMain(folder: string, server: TokenServer) {
  const options = ["--server", "smtps://mail.example.org", "--username", MAILBOX, "--auth", "oauth2"];
  const oauth = ["--flow", "refresh_token", "--token-url", server.tokenUrl, "--client-id", CLIENT.id];
  const args = ["server", "add", "main", ...options, ...oauth, "--scope", "mail offline_access"];
  return runCli([...args, "--secret-stdin"], { folder, input: `${CLIENT.secret}\n` });
}

const logIn = (folder: string) => new Child("src/cli/index.ts", ["server", "login", "main"], { folder });

test("server login shows a code, waits for its user, and stores the refresh token", async () => {
  using folder = temporaryFolder();
  await using server = await startTokenServer();
  expect(await addMain(folder.path, server)).toEqual({
    code: 0,
    stdout: "main is saved\nSign in next: bun run cli server login main\n",
    stderr: "",
  });
  const child = logIn(folder.path);
  const [, uri, code] = await child.printed(/^Open (\S+) and enter the code (\S+) within 15 min\.$/m);
  expect([uri, code]).toEqual([`${server.origin}/device`, "ABCD-EFGH"]);
  server.device = "approved";
  const ended = await child.ended;
  expect([ended.code, ended.stderr]).toEqual([0, ""]);
  expect(ended.stdout).toEndWith(`Sign in as ${MAILBOX}.\nSigned in: the refresh token of main is stored\n`);
  const rows = "SELECT action, fields FROM audit WHERE success AND identifier = 'main' ORDER BY number";
  expect(await outside(`${folder.path}/data/sealpost.db`, rows)).toEqual([
    { action: "cli server add", fields: expect.stringContaining("oauth_client_secret") },
    { action: "cli server login", fields: "oauth_refresh_token" },
  ]);
});

test("server login ends cleanly on Ctrl-C, and reports a user who declines", async () => {
  using folder = temporaryFolder();
  await using server = await startTokenServer();
  await addMain(folder.path, server);
  const stopped = logIn(folder.path);
  await stopped.printed(/^Open /m);
  stopped.signal("SIGINT");
  expect(await stopped.ended).toMatchObject({ code: 1, stderr: "sealpost: Stopped; nothing was stored\n" });
  server.device = "declined";
  const declined = await logIn(folder.path).ended;
  expect(declined.code).toBe(1);
  expect(declined.stderr).toMatch(/^sealpost: [^\n]*access_denied[^\n]*\n$/);
});

test("server login reports an unknown definition, and one without OAuth", async () => {
  using folder = temporaryFolder();
  const cli = (...args: readonly string[]) => runCli(["server", ...args], { folder: folder.path });
  expect((await cli("login", "main")).stderr).toBe('sealpost: There is no definition "main"\n');
  expect((await cli("add", "main", "--provider", "mailpit", "--username", "")).code).toBe(0);
  const { code, stderr } = await cli("login", "main");
  expect([code, stderr]).toEqual([
    1,
    "sealpost: Invalid parameter: oauth_token_url: the definition has none; save it with one first\n",
  ]);
});
