import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import PostalMime from "postal-mime";
import { startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { sqldPath } from "../../../tools/sqld.ts";
import { serveWorker } from "../../../tools/workers/serve.ts";
import { type Api, logIn, request } from "../../fixtures/process/api.ts";
import { TEST_MS } from "../../fixtures/process/child.ts";
import { DENO_SERVER, denoPath } from "../../fixtures/process/deno.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { startSealpost } from "../../fixtures/process/sealpost.ts";
import { builtWorker } from "../../fixtures/worker-bundle.ts";
import { ADMIN, bindingsFor, PASSWORD, startDatabase } from "../../runtime/workers/fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);
if (denoPath === null) console.warn("Skipped on Deno: npm has no Deno for this machine");
if (sqldPath() === null) console.warn("Skipped on workerd: npm has no libSQL server for this machine");

const BASE_URL = "https://accounts.example.org/mail";
const ANN = { username: "ann", email: "ann@example.net", password: "the old password" };

/** A user gets a link, one of three concurrent resets wins, and the events plugin notifies the admin. */
async function live(origin: string, admin: Api): Promise<void> {
  await using smtp = await startSmtpServer();
  const mailTo = async (recipient: string, index = 0) => {
    const theirs = () => smtp.messages.filter(({ recipients }) => recipients.includes(recipient));
    while (theirs().length <= index) await Bun.sleep(20);
    return PostalMime.parse(theirs()[index]?.bytes ?? "");
  };
  await admin.save("default", { server: `127.0.0.1:${smtp.port}`, sender: "app@example.org" });
  await admin.call("POST", "/system/setConfig", { "recovery.enabled": true });
  await admin.call("POST", "/user/", ANN);
  const bound = await admin.call("POST", "/event", {
    name: "changed password",
    event: "password_changed",
    handlermodule: "UserNotification",
    action: "sendmail",
    "option.To": "email",
    "option.To email": "ops@example.org",
    "option.subject": "{username} has a new password",
  });
  expect(bound.body.result.value).toBe(1);

  const post = (path: string, parameters: object) =>
    request(origin + path, {
      method: "POST",
      headers: { "content-type": "application/json", "accept-language": "de" },
      body: JSON.stringify(parameters),
    });
  const page = await fetch(`${origin}/recover/reset`, { headers: { "accept-language": "de" } });
  expect([page.status, page.headers.get("referrer-policy")]).toEqual([200, "no-referrer"]);
  expect(await page.text()).toContain("Neues Passwort setzen");
  for (const user of ["ann", "nobody"]) {
    const { body } = await post("/recover", { user, email: ANN.email });
    expect(body.result.value).toBe(true);
  }
  const { subject, text } = await mailTo(ANN.email);
  expect(subject).toBe("Neues Passwort setzen");
  const link = new URL(/https:\S+/.exec(text ?? "")?.[0] ?? "");
  expect(link.href).toStartWith(`${BASE_URL}/recover/reset#`);
  const recoverycode = new URLSearchParams(link.hash.slice(1)).get("code");
  const given = { user: "ann", recoverycode, password: "a new password" };
  const responses = await Promise.all([1, 2, 3].map(() => post("/recover/reset", given)));
  expect(responses.map(({ body }) => body.result.value).toSorted()).toEqual([false, false, true]);
  expect((await mailTo(ANN.email, 1)).subject).toBe("Ihr Passwort wurde geändert");
  expect((await mailTo("ops@example.org")).subject).toBe("ann has a new password");
}

for (const [name, entry, interpreter] of [
  ["Bun", "src/runtime/bun/server.ts", [process.execPath]],
  ["Deno", "src/runtime/deno/server.ts", DENO_SERVER],
] as const) {
  test.skipIf(name === "Deno" && denoPath === null)(`users set a new password on ${name}`, async () => {
    using folder = temporaryFolder();
    const env = { SEALPOST_BASE_URL: BASE_URL };
    await using sealpost = await startSealpost({ folder: folder.path, interpreter, env }, entry);
    await live(sealpost.url, await sealpost.logIn());
  });
}

test.skipIf(sqldPath() === null)("users set a new password on workerd", async () => {
  const config = join(import.meta.dir, "fixtures", "worker-config.ts");
  const bundle = await builtWorker(undefined, "smtp", config);
  await using database = await startDatabase();
  const bindings = { ...bindingsFor(database.url), SEALPOST_BASE_URL: BASE_URL };
  await using worker = await serveWorker({ bundle, bindings, authorities: [], onLine: () => undefined });
  await live(worker.url.origin, await logIn(worker.url.origin, ADMIN, PASSWORD));
});
