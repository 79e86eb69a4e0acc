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
import { ANN, codeIn } from "./setup.ts";

setDefaultTimeout(TEST_MS);
if (denoPath === null) console.warn("Not tried on Deno: npm has none for this machine");
if (sqldPath() === null) console.warn("Not tried on workerd: npm has no libSQL server for this machine");

/** A user registers, gets a code by email, and the code creates the account once. */
async function live(origin: string, admin: Api): Promise<void> {
  await using smtp = await startSmtpServer();
  await admin.save("default", { server: `127.0.0.1:${smtp.port}`, sender: "app@example.org" });
  await admin.call("POST", "/system/setConfig", { "register.enabled": true });
  const post = (path: string, parameters: object) =>
    request(origin + path, {
      method: "POST",
      headers: { "content-type": "application/json", "accept-language": "de" },
      body: JSON.stringify(parameters),
    });
  const { body } = await post("/register", ANN);
  expect(body.result.value).toBe(true);
  const { transaction_id: id } = body.detail as { transaction_id?: string };
  while (smtp.messages.length === 0) await Bun.sleep(20);
  const { text, subject } = await PostalMime.parse(smtp.messages[0]?.bytes ?? "");
  expect(subject).toBe("Bestätigen Sie Ihre Registrierung");
  const confirm = { transaction_id: id, code: codeIn(text) };
  const responses = await Promise.all([1, 2, 3].map(() => post("/register/confirm", confirm)));
  expect(responses.map(({ body }) => body.result.value).toSorted()).toEqual([false, false, true]);
  const listed = await admin.call("GET", "/user/?username=ann");
  expect(listed.body.result.value).toMatchObject([{ username: "ann", email: ANN.email }]);
}

for (const [name, entry, interpreter] of [
  ["Bun", "src/runtime/bun/server.ts", [process.execPath]],
  ["Deno", "src/runtime/deno/server.ts", DENO_SERVER],
] as const) {
  test.skipIf(name === "Deno" && denoPath === null)(`users register on ${name}`, async () => {
    using folder = temporaryFolder();
    await using sealpost = await startSealpost({ folder: folder.path, interpreter }, entry);
    await live(sealpost.url, await sealpost.logIn());
  });
}

test.skipIf(sqldPath() === null)("users register on workerd", async () => {
  const config = join(import.meta.dir, "fixtures", "worker-config.ts");
  const bundle = await builtWorker(undefined, "smtp", config);
  await using database = await startDatabase();
  const bindings = bindingsFor(database.url);
  await using worker = await serveWorker({ bundle, bindings, authorities: [], onLine: () => undefined });
  await live(worker.url.origin, await logIn(worker.url.origin, ADMIN, PASSWORD));
});
