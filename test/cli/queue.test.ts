import { expect, setDefaultTimeout, test } from "bun:test";
import { reply, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { type Folder, temporaryFolder } from "../fixtures/process/folder.ts";
import { runCli, startSealpost } from "../fixtures/process/sealpost.ts";
import { counting, openDesk } from "./queue-support.ts";

setDefaultTimeout(TEST_MS);

const TIME = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`;
const NOBODY = "00000000-0000-4000-8000-000000000000";
/** A port of 127.0.0.1 on which nothing listens, because only root may. */
const CLOSED_PORT = 1;

const cli = ({ path }: Folder, ...args: readonly string[]) => runCli(["queue", ...args], { folder: path });
const linesOf = ({ stdout }: { readonly stdout: string }) => stdout.trimEnd().split("\n");

test("queue list marks held messages", async () => {
  using folder = temporaryFolder();
  await using smtp = await startSmtpServer();
  await using desk = await openDesk(folder);
  await desk.save("office", smtp.port);
  await desk.queue("a@example.net");
  expect((await cli(folder, "hold")).stdout).toBe("1 message is held\n");
  const status = await cli(folder, "status");
  expect(status.stdout).toContain('1 message or webhook is held: "queue release" sends it\n');
  await desk.queue("b@example.net");
  const [, later = "", held = ""] = linesOf(await cli(folder, "list"));
  expect(later).toMatch(new RegExp(`b@example.net +${TIME} +${TIME}`));
  expect(held).toMatch(new RegExp(`a@example.net +${TIME} +held`));
});

test("queue status counts by state and definition, and names the oldest message and unavailable servers", async () => {
  using folder = temporaryFolder();
  await using smtp = await startSmtpServer();
  await using desk = await openDesk(folder);
  expect(await cli(folder, "status")).toEqual({ code: 0, stdout: "No message waits\n", stderr: "" });
  await desk.save("office", smtp.port);
  for (let i = 0; i < 2; i++) await desk.queue("a@example.net");
  await desk.drain();
  expect(linesOf(await cli(folder, "status"))).toEqual([
    "STATE  SERVER  MESSAGES",
    "sent   office  2",
    "No message waits",
  ]);
  await desk.save("office", CLOSED_PORT);
  for (let i = 0; i < 5; i++) await desk.queue("b@example.net");
  await desk.drain();
  const cancelled = await desk.queue("c@example.net");
  await desk.services.mailQueue.cancel(cancelled, {
    ...{ action: "", administrator: "", realm: "", client: "", policies: "", requestId: "" },
  });
  await desk.queue("d@example.net");
  const status = await cli(folder, "status");
  expect(status).toMatchObject({ code: 0, stderr: "" });
  const [, queued, deferred, sent, ended, oldest, down, ...more] = linesOf(status);
  expect([queued, deferred, sent, ended, more]).toEqual([
    "queued     office  1",
    "deferred   office  5",
    "sent       office  2",
    "cancelled  office  1",
    [],
  ]);
  expect(oldest).toMatch(new RegExp(`^The oldest that waits: ${TIME}  office$`));
  expect(down).toMatch(
    new RegExp(`^office is down \\(open\\) since ${TIME}: refused in phase connect, next attempt ${TIME}$`),
  );
});

test("queue list shows messages, newest first, and filters them", async () => {
  using folder = temporaryFolder();
  await using smtp = await startSmtpServer({ script: { rcpt: reply("451 4.3.0 Busy") } });
  await using desk = await openDesk(folder);
  await desk.save("office", smtp.port);
  expect(await cli(folder, "list")).toEqual({ code: 0, stdout: "", stderr: "" });
  const first = await desk.queue("first@example.net");
  await desk.drain();
  const second = await desk.queue("second@example.net");
  const [heads, newest, oldest, ...more] = linesOf(await cli(folder, "list"));
  expect(heads).toMatch(/^ID +STATE +SERVER +RECIPIENTS +QUEUED +NEXT ATTEMPT +FAILURE$/);
  expect(more).toEqual([]);
  expect(newest).toMatch(
    new RegExp(`^${second}  queued    office  second@example.net  ${TIME}  ${TIME}  -$`),
  );
  expect(oldest).toMatch(
    new RegExp(`^${first}  deferred  office  first@example.net   ${TIME}  ${TIME}  recipient_rejected$`),
  );
  const one = await cli(folder, "list", "--lines", "1", "--json");
  expect(JSON.parse(one.stdout)).toMatchObject({ count: 2, mails: [{ id: second, state: "queued" }] });
  expect(one.stderr).toBe("1 more: see --lines\n");
  const ofState = await cli(folder, "list", "--state", "deferred", "--json");
  expect(JSON.parse(ofState.stdout)).toMatchObject({ count: 1, mails: [{ id: first }] });
  const ofRecipient = linesOf(await cli(folder, "list", "--recipient", "second@example.net"));
  expect([ofRecipient.length, ofRecipient[1]]).toEqual([2, expect.stringContaining(second)]);
  expect((await cli(folder, "list", "--server", "other")).stdout).toBe("");
});

test("queue cancel ends a message and is audited; a final message can be neither canceled nor retried", async () => {
  using folder = temporaryFolder();
  await using smtp = await startSmtpServer();
  await using desk = await openDesk(folder);
  await desk.save("office", smtp.port);
  const id = await desk.queue("a@example.net");
  expect(await cli(folder, "cancel", id)).toEqual({
    ...{ code: 0, stdout: `Message ${id} is cancelled\n`, stderr: "" },
  });
  expect(await desk.stateOf(id)).toBe("cancelled");
  await desk.drain();
  expect(smtp.messages).toEqual([]);
  const { entries } = await desk.services.auditLog.page({
    ...{ filters: { action: "cli queue *" }, sort: "number", descending: true, page: 1, pageSize: 10 },
  });
  expect(entries).toMatchObject([
    { action: "cli queue cancel", success: true, identifier: "office", recipient: "a@example.net", info: id },
  ]);
  for (const verb of ["retry", "cancel"]) {
    expect(await cli(folder, verb, id)).toEqual({
      ...{ code: 1, stdout: "" },
      stderr: expect.stringMatching(/^sealpost: This message is final \(cancelled\) .*submit a new one.*\n$/),
    });
    expect(await cli(folder, verb, NOBODY)).toEqual({
      ...{ code: 1, stdout: "", stderr: "sealpost: The requested Mail could not be found.\n" },
    });
  }
});

test("queue retry makes a running server send a deferred message immediately", async () => {
  using folder = temporaryFolder();
  // The server names ten minutes, so that only the command can cause the second attempt.
  await using smtp = await startSmtpServer({
    script: { rcpt: reply("451 4.7.1 Greylisted, try again in 10 minutes") },
  });
  await using desk = await openDesk(folder);
  await desk.save("office", smtp.port);
  const id = await desk.queue("a@example.net");
  await desk.drain();
  expect(await desk.stateOf(id)).toBe("deferred");
  const { body, all } = counting(1);
  smtp.script("rcpt", undefined);
  smtp.script("body", body);
  await using sealpost = await startSealpost({ folder: folder.path });
  expect(await cli(folder, "retry", id)).toEqual({
    ...{ code: 0, stdout: `Message ${id} is due now\n`, stderr: "" },
  });
  await all;
  expect(smtp.messages).toMatchObject([{ recipients: ["a@example.net"] }]);
  expect((await sealpost.stop()).code).toBe(0);
  expect(await desk.stateOf(id)).toBe("sent");
});
