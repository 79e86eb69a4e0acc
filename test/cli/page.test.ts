import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { followCommands, pageCommands, shellBlocks } from "../fixtures/process/page.ts";
import { startSealpost } from "../fixtures/process/sealpost.ts";

setDefaultTimeout(TEST_MS);
const hasBash = Bun.which("bash") !== null;
if (!hasBash) console.warn("Skipped: the commands of docs/cli.md; bash is not installed");

/** Commands of the first block that other tests run. */
const RUN_BY_OTHERS: Readonly<Record<string, string>> = {
  "admin list": "test/cli/keys.test.ts, as docs/after-a-theft.md has it",
  "admin passwd": "the same",
  "apikey create": "test/flow/19-api-keys.test.ts, as docs/api-keys.md has it",
  "apikey list": "the same",
  "apikey remove": "the same",
  "server list": "below, as the second block has it",
  "server test": "test/flow/21-pages.test.ts, as docs/check.md has it",
  "server login": "test/cli/server-login.test.ts: it needs a provider",
  "queue status": "test/flow/21-pages.test.ts, as docs/queue.md has it",
  "queue retry": "test/cli/queue.test.ts: it needs a message that failed",
  doctor: "test/flow/21-pages.test.ts, as docs/operate.md has it",
  worker: "test/cli/worker.test.ts: it runs until a signal",
  "keys new": "test/cli/keys.test.ts, as docs/after-a-theft.md has it",
  "keys rotate": "the same",
  backup: "test/cli/backup.test.ts, as docs/operate.md has it",
  restore: "the same",
};

/** A command for each other one of the first block, with the arguments that it shows. */
const COMMANDS = `
bun run cli migrate
bun run cli admin add bea
bun run cli admin disable bea
bun run cli admin enable bea
bun run cli admin remove bea
bun run cli server add spare --server $SERVER --starttls no --username '' --sender app@example.org
bun run cli server show spare
ID=$(bun run cli mail send --to you@example.net --subject Hello --text Hello --server spare --send-at "$TOMORROW" | cut -d' ' -f2)
bun run cli queue list
bun run cli queue hold
bun run cli queue release
bun run cli queue cancel $ID
bun run cli server remove spare
`;

/** Returns the commands of the first block, such as `admin add`. */
function expand(block: string): readonly string[] {
  return block
    .trim()
    .split("\n")
    .flatMap((line) => {
      const [, , , name = "", next = ""] = line.split(" ");
      return /^[a-z]/.test(next) ? next.split("|").map((word) => `${name} ${word}`) : [name];
    });
}

test("each command of docs/cli.md is run here or by another test", async () => {
  const [synopsis = ""] = await shellBlocks("docs/cli.md");
  const run = [...COMMANDS.matchAll(/bun run cli ((?:admin|server|mail|queue) [a-z]+|[a-z]+)/g)];
  const names = [...run.map(([, name = ""]) => name), ...Object.keys(RUN_BY_OTHERS)];
  expect([...new Set(expand(synopsis))].sort()).toEqual(names.sort());
});

test.skipIf(!hasBash)("the commands of docs/cli.md work next to a running server", async () => {
  using folder = temporaryFolder();
  await using smtp = await startSmtpServer();
  await using sealpost = await startSealpost({ folder: folder.path });
  const TOMORROW = new Date(Date.now() + 86_400_000).toISOString();
  const variables = { SERVER: `127.0.0.1:${smtp.port}`, TOMORROW, KEY: "SG.key" };
  const { rest } = await followCommands(COMMANDS, folder.path, variables);
  expect(rest).toMatch(/^spare +/m);
  expect(rest).toContain("cancelled");
  expect(smtp.messages).toEqual([]);

  const { call, save, list } = await sealpost.logIn();
  await save("main", { server: variables.SERVER, sender: "app@example.org" });
  const key = { name: "cli", rights: ["smtpserver_read"] };
  const { body } = await call<{ readonly key: string }>("POST", "/apikey/", key);
  const [, remote = "", , sending = "", adding = ""] = await pageCommands("docs/cli.md");
  const here = remote
    .replace("sp_…", body.result.value?.key ?? "")
    .replace("https://mail.example.org/sealpost", sealpost.url);
  expect((await followCommands(here, folder.path, variables)).rest).toMatch(/^main +/m);

  writeFileSync(join(folder.path, "report.pdf"), "%PDF-1.7");
  writeFileSync(join(folder.path, "text.txt"), "The report is attached.\n");
  await followCommands(sending, folder.path, variables);
  while (smtp.messages.length === 0) await Bun.sleep(20);
  const message = new TextDecoder().decode(smtp.messages[0]?.bytes);
  expect(message).toMatch(/To: Ann <ann@example\.org>[\s\S]*report\.pdf/);

  await call("DELETE", "/smtpserver/main");
  // The login needs an account of the provider.
  const saving = adding.replace(" --test", "");
  expect(saving).not.toBe(adding);
  await followCommands(saving, folder.path, variables);
  expect((await list()).main).toMatchObject({ server: "smtp.sendgrid.net", username: "apikey" });
});
