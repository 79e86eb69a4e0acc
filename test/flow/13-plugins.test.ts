import { expect, test } from "bun:test";
import { join } from "node:path";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { startSealpost } from "../fixtures/process/sealpost.ts";

const MISSING = /No SMTP server is named default/;

test("a start names the definition that plugins lack, until it exists", async () => {
  using folder = temporaryFolder();
  const env = { SEALPOST_ADMIN_PASSWORD: "correct horse" };
  {
    await using sealpost = await startSealpost({ folder: folder.path, env });
    await sealpost.process.printed(MISSING, "stderr");
    const api = await sealpost.logIn();
    await api.save("default", { server: "mail.example.org", sender: "me@example.org" });
    await sealpost.stop();
  }
  await using sealpost = await startSealpost({ folder: folder.path, env });
  await sealpost.logIn();
  await sealpost.stop();
  expect(sealpost.process.stderr).not.toMatch(MISSING);
});

test("a server has the plugins that sealpost.config.ts adds, and not those under without", async () => {
  using folder = temporaryFolder();
  await Bun.write(
    join(folder.path, "sealpost.config.ts"),
    'export default { without: ["registration", "recovery", "events"] };\n',
  );
  const env = { SEALPOST_ADMIN_PASSWORD: "correct horse" };
  await using sealpost = await startSealpost({ folder: folder.path, env });
  const api = await sealpost.logIn();
  const { body } = await api.call<readonly { readonly name: string }[]>("GET", "/plugins/");
  const names = body.result.value?.map(({ name }) => name);
  expect(names?.toSorted()).toEqual(["directory", "email-token", "sms-gateway"]);
});
