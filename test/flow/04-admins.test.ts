import { expect, setDefaultTimeout, test } from "bun:test";
import { logIn } from "../fixtures/process/api.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { runCli, startSealpost } from "../fixtures/process/sealpost.ts";

setDefaultTimeout(TEST_MS);

const PASSWORD = "the helpdesk's pässword";

test("a disabled admin, or one with a new password, is rejected by the next request", async () => {
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
  await runCli(["admin", "passwd", "helpdesk", "--password-stdin"], { ...options, input: "another word" });
  expect((await again.call("GET", "/smtpserver/")).status).toBe(401);
  await sealpost.logIn("another word", "helpdesk");
});
