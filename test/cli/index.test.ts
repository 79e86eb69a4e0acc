import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { VERSION } from "../../src/version.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { runCli } from "../fixtures/process/sealpost.ts";

setDefaultTimeout(TEST_MS);

const HELP: readonly (readonly [args: readonly string[], says: readonly string[]])[] = [
  [["--help"], ["migrate", "keys", "admin", "server", "queue", "worker", "SEALPOST_*"]],
  [["help"], ["Usage: bun run cli"]],
  [
    ["help", "admin"],
    ["Usage: bun run cli admin", "add", "passwd", "enable", "disable", "remove", "list"],
  ],
  [
    ["admin", "add", "--help"],
    ["<username>", "--realm", "--password-stdin"],
  ],
  [
    ["keys", "--help"],
    ["new", "rotate"],
  ],
  [
    ["server", "--help"],
    ["list", "test"],
  ],
  [
    ["server", "test", "--help"],
    ["<identifier>", "[recipient]", "--to"],
  ],
  [
    ["queue", "--help"],
    ["status", "list", "retry", "cancel"],
  ],
  [
    ["queue", "list", "--help"],
    ["--state", "--server", "--recipient", "--lines"],
  ],
  [
    ["worker", "--help"],
    ["SIGTERM", "several workers may share one database"],
  ],
  [["migrate", "--help"], ["database"]],
];
test.each(HELP)("%j prints help and touches nothing", async (args, says) => {
  using folder = temporaryFolder();
  const { code, stdout, stderr } = await runCli(args, { folder: folder.path });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  for (const text of says) expect(stdout).toContain(text);
  expect(readdirSync(folder.path)).toEqual([]);
});

const BAD: readonly (readonly [args: readonly string[], says: string])[] = [
  [[], "Usage: bun run cli"],
  [["admin"], "Usage: bun run cli admin"],
  [["nonsense"], "unknown command 'nonsense'"],
  [["admin", "erase", "anna"], "unknown command 'erase'"],
  [["admin", "add"], "missing required argument 'username'"],
  [["admin", "add", "anna", "secret"], "too many arguments"],
  [["admin", "list", "--all"], "unknown option '--all'"],
  [["keys", "new", "extra"], "too many arguments"],
  [["server", "test"], "missing required argument 'identifier'"],
  [["server", "test", "office"], "Name the recipient: --to <address>"],
  [["migrate", "now"], "too many arguments"],
  [["queue"], "Usage: bun run cli queue"],
  [["queue", "retry"], "missing required argument 'id'"],
  [["queue", "list", "--state", "gone"], "Allowed choices are queued, sending, deferred"],
  [["queue", "list", "--lines", "0"], "Expected a whole number from 1"],
  [["worker", "two"], "too many arguments"],
];
test.each(BAD)("%j is rejected on standard error and touches nothing", async (args, says) => {
  using folder = temporaryFolder();
  const { code, stdout, stderr } = await runCli(args, { folder: folder.path });
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain(says);
  expect(readdirSync(folder.path)).toEqual([]);
});

test("--version prints the version", async () => {
  using folder = temporaryFolder();
  expect(await runCli(["--version"], { folder: folder.path })).toEqual({
    code: 0,
    stdout: `${VERSION}\n`,
    stderr: "",
  });
});

test.each(["migrate", "keys rotate", "admin list", "server list", "queue status"])(
  "%s stops at a bad setting as the server does",
  async (command) => {
    using folder = temporaryFolder();
    const options = { folder: folder.path, env: { SEALPOST_EGRES: "public" } };
    const ended = await runCli(command.split(" "), options);
    expect(ended).toMatchObject({
      code: 1,
      stdout: "",
      stderr: "sealpost: Unknown environment variable SEALPOST_EGRES, did you mean SEALPOST_EGRESS?\n",
    });
  },
);
