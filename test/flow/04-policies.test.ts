import { expect, setDefaultTimeout, test } from "bun:test";
import { logIn } from "../fixtures/process/api.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { runCli, startSealpost } from "../fixtures/process/sealpost.ts";

setDefaultTimeout(TEST_MS);

const PASSWORD = "the helpdesk's pässword";
const DEFINITION = { server: "mail.example.org" };
const SUPER = { scope: "admin", action: "*", adminuser: "admin" };
const READING = { scope: "admin", action: "smtpserver_read", adminuser: "helpdesk" };

test("an admin whom a policy lets only read gets 403 for the rest, at once and until it is off", async () => {
  using folder = temporaryFolder();
  await using sealpost = await startSealpost({ folder: folder.path });
  const boss = await sealpost.logIn();
  await boss.save("office", DEFINITION);
  const added = await runCli(["admin", "add", "helpdesk", "--password-stdin"], {
    folder: folder.path,
    input: `${PASSWORD}\n`,
  });
  expect(added).toMatchObject({ code: 0, stdout: "The password of helpdesk is set\n" });
  const helpdesk = await sealpost.logIn(PASSWORD, "helpdesk");
  expect((await helpdesk.save("mine", DEFINITION)).status).toBe(200);

  for (const [name, policy] of Object.entries({ super: SUPER, reading: READING })) {
    expect((await boss.call("POST", `/policy/${name}`, policy)).status).toBe(200);
  }
  expect(Object.keys(await helpdesk.list()).sort()).toEqual(["mine", "office"]);
  const denied = [
    await helpdesk.save("mine", DEFINITION),
    await helpdesk.call("DELETE", "/smtpserver/mine"),
    await helpdesk.test({ ...DEFINITION, recipient: "you@example.net" }),
    await helpdesk.call("GET", "/policy/"),
    await helpdesk.call("POST", "/policy/reading", { ...READING, action: "*" }),
    await helpdesk.call("DELETE", "/policy/reading"),
    await helpdesk.call("GET", "/audit/"),
  ];
  expect(denied.map(({ status, body }) => [status, body.result.error?.code])).toEqual(
    denied.map(() => [403, 303]),
  );
  const rows = (await boss.audit()).filter(({ administrator }) => administrator === "helpdesk");
  expect(rows.filter(({ info }) => info === "action_denied")).toHaveLength(denied.length);

  await boss.call("POST", "/policy/disable/reading");
  expect((await helpdesk.call("GET", "/smtpserver/")).status).toBe(403);
  expect((await boss.call("POST", "/policy/disable/super")).status).toBe(200);
  expect((await helpdesk.save("mine", DEFINITION)).status).toBe(200);
});

test("an admin who is disabled, or whose password changes, is out at once", async () => {
  using folder = temporaryFolder();
  await using sealpost = await startSealpost({ folder: folder.path });
  const options = { folder: folder.path, input: PASSWORD };
  await runCli(["admin", "add", "helpdesk", "--password-stdin"], options);
  const helpdesk = await sealpost.logIn(PASSWORD, "helpdesk");
  const statusOf = async () => (await helpdesk.call("GET", "/smtpserver/")).status;
  expect(await statusOf()).toBe(200);
  await runCli(["admin", "disable", "helpdesk"], options);
  expect(await statusOf()).toBe(401);
  await expect(logIn(sealpost.url, "helpdesk", PASSWORD)).rejects.toThrow("401");
  await runCli(["admin", "enable", "helpdesk"], options);
  expect(await statusOf()).toBe(401);
  const again = await sealpost.logIn(PASSWORD, "helpdesk");
  await runCli(["admin", "passwd", "helpdesk", "--password-stdin"], { ...options, input: "another" });
  expect((await again.call("GET", "/smtpserver/")).status).toBe(401);
  await sealpost.logIn("another", "helpdesk");
});

test("a policy that would leave nobody with policywrite is refused", async () => {
  using folder = temporaryFolder();
  await using sealpost = await startSealpost({ folder: folder.path });
  const boss = await sealpost.logIn();
  const { status, body } = await boss.call("POST", "/policy/reading", READING);
  expect({ status, code: body.result.error?.code }).toEqual({ status: 400, code: 905 });
  expect((await boss.save("office", DEFINITION)).status).toBe(200);
});
