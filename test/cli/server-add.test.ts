import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { runCli } from "../fixtures/process/sealpost.ts";
import { outside } from "../storage/fixtures/database.ts";

setDefaultTimeout(TEST_MS);

const SECRET = "smtp-secret-9";
const CLI = join(import.meta.dir, "../../src/cli/index.ts");

const rowsOf = (folder: string, statement: string) => outside(`${folder}/data/sealpost.db`, statement);

/** Runs `server add` on a terminal. @param entries the text of a question, and what to type after it. */
async function typed(
  folder: string,
  args: readonly string[],
  entries: readonly (readonly [string, string])[],
) {
  let output = "";
  let shown = 0;
  const left = [...entries];
  const { PATH = "", HOME = "" } = process.env;
  const child = Bun.spawn([process.execPath, CLI, "server", "add", ...args], {
    cwd: folder,
    env: { PATH, HOME },
    timeout: TEST_MS - 5_000,
    terminal: {
      cols: 200,
      data(terminal, data) {
        output += Buffer.from(data).toString();
        const [next] = left;
        if (next === undefined || !output.slice(shown).includes(next[0])) return;
        shown = output.length;
        left.shift();
        terminal.write(next[1]);
      },
    },
  });
  const code = await child.exited;
  return { code, output: stripVTControlCharacters(output), left };
}

test("server add saves a definition from options and a secret on standard input, and tests its login", async () => {
  using folder = temporaryFolder();
  await using smtp = await startSmtpServer({ users: { mailer: SECRET } });
  const server = ["--server", `127.0.0.1:${smtp.port}`, "--starttls", "no", "--username", "mailer"];
  const args = [
    "server",
    "add",
    "office",
    ...server,
    "--sender",
    "a@example.org",
    "--secret-stdin",
    "--test",
  ];
  const { code, stdout, stderr } = await runCli(args, { folder: folder.path, input: `${SECRET}\n` });
  expect([code, stderr]).toEqual([
    0,
    expect.stringMatching(/^The password and mail travel in clear text.*\n$/),
  ]);
  expect(stdout).toStartWith("office is saved\n");
  expect(stdout).toMatch(/^Reached auth.*; nothing was sent\n$/m);
  expect(stdout).not.toContain(SECRET);
  expect(smtp.messages).toEqual([]);
  // The action is the command; the check is known by its remark.
  const rows = await rowsOf(folder.path, "SELECT action, identifier, info FROM audit ORDER BY number");
  expect(rows).toMatchObject([
    { action: "cli server add", identifier: "office" },
    { action: "cli server add", identifier: "office", info: "check until auth" },
  ]);
  const again = await runCli(args, { folder: folder.path, input: SECRET });
  expect(again).toEqual({
    code: 1,
    stdout: "",
    stderr: "sealpost: A definition with this name already exists\n",
  });
});

test("server add names the option that is missing or invalid, and saves nothing", async () => {
  using folder = temporaryFolder();
  const add = async (...args: readonly string[]) =>
    (await runCli(["server", "add", ...args], { folder: folder.path })).stderr;
  expect(await add()).toBe("sealpost: Missing option: <identifier>\n");
  expect(await add("a/b")).toStartWith("sealpost: <identifier>: Expected a name without");
  expect(await add("a", "--provider", "none")).toStartWith(
    "sealpost: --provider: Expected one of microsoft365,",
  );
  expect(await add("a", "--provider", "fastmail", "--username", "me")).toBe(
    "sealpost: --username: Expected a full email address\n",
  );
  expect(await add("a", "--provider", "fastmail", "--username", "me@example.org")).toBe(
    "sealpost: Missing option: --secret-stdin\n",
  );
  expect((await runCli(["server", "list"], { folder: folder.path })).stdout).toBe("");
});

test("server add asks on a terminal for what the preset needs, again after an invalid entry, and hides the secret", async () => {
  using folder = temporaryFolder();
  const { code, output, left } = await typed(
    folder.path,
    ["mailgun"],
    [
      ["Provider", "mailgun\r"],
      ["Region (us, eu) [us]", "mars\r"],
      ["Expected one of us, eu.", "eu\r"],
      ["Username (a full email address)", "me@mg.example.org\r"],
      ["Password", `${SECRET}\r`],
      ["Sender address [me@mg.example.org]", "\r"],
      ["Log in to the server now", "no\r"],
    ],
  );
  expect(left).toEqual([]);
  expect(code).toBe(0);
  expect(output).toContain("mailgun is saved");
  expect(output).not.toContain(SECRET);
  const statement = "SELECT provider, server, port, tls, username, sender FROM smtp_server";
  expect(await rowsOf(folder.path, statement)).toEqual([
    {
      provider: "mailgun",
      server: expect.stringContaining("smtp.eu.mailgun.org"),
      port: expect.any(Number),
      tls: expect.any(Number),
      username: "me@mg.example.org",
      sender: "me@mg.example.org",
    },
  ]);
});

test("server add fills in the OAuth fields of a provider", async () => {
  using folder = temporaryFolder();
  const { left, output } = await typed(
    folder.path,
    ["ms", "--provider", "microsoft365"],
    [
      ["Username", "me@example.org\r"],
      ["OAuth flow (client_credentials, refresh_token) [client_credentials]", "refresh_token\r"],
      ["Tenant", "example.org\r"],
      ["Client ID", "app\r"],
      ["Client secret (empty for a public client)", "\r"],
      ["Sender address", "\r"],
    ],
  );
  expect(left).toEqual([]);
  expect(output).toContain("Sign in next: bun run cli server login ms");
  const statement = "SELECT auth, oauth_flow, oauth_token_url, oauth_client_id FROM smtp_server";
  expect(await rowsOf(folder.path, statement)).toEqual([
    {
      auth: "oauth2",
      oauth_flow: "refresh_token",
      oauth_token_url: "https://login.microsoftonline.com/example.org/oauth2/v2.0/token",
      oauth_client_id: "app",
    },
  ]);
});

test("server add saves nothing after Ctrl-C", async () => {
  using folder = temporaryFolder();
  const { code, output } = await typed(folder.path, ["main"], [["Provider", "\u0003"]]);
  expect(code).toBe(1);
  expect(output).toContain("sealpost: Stopped; nothing was saved");
});
