import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { reply, startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { OBJECT_ENTRY } from "../../../tools/workers/build.ts";
import { OBJECTS, serveWorker } from "../../../tools/workers/serve.ts";
import { type Api, logIn } from "../../fixtures/process/api.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { builtWorker } from "../../fixtures/worker-bundle.ts";
import { ADMIN, KEYS, PASSWORD, TEST_MS } from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);

const bindings = { SEALPOST_KEYS: KEYS, SEALPOST_ADMIN_PASSWORD: PASSWORD };
const bundle = await builtWorker(OBJECT_ENTRY);
const start = (more: Readonly<Record<string, string>> = {}) =>
  serveWorker({ bundle, bindings: { ...bindings, ...more }, services: OBJECTS });
const worker = await start();
afterAll(() => worker[Symbol.asyncDispose]());
const api = await logIn(worker.url.origin, ADMIN, PASSWORD);

interface Queued {
  readonly state: string;
  readonly attempts: readonly object[];
}

async function until(admin: Api, id: string, state: string): Promise<Queued> {
  for (;;) {
    const { body } = await admin.call<Queued>("GET", `/mail/${id}`);
    if (body.result.value?.state === state) return body.result.value;
  }
}

test("an instance in an object keeps definitions and sends through them", async () => {
  await using server = await startSmtpServer();
  await api.save("main", { server: `127.0.0.1:${server.port}`, sender: "a@example.org" });
  const { body } = await api.call("POST", "/smtpserver/main/send_test_email", { recipient: "b@example.net" });
  expect(body.result.value).toBe(true);
  expect(server.messages.map(({ recipients }) => recipients)).toEqual([["b@example.net"]]);
  const audit = await api.call<{ count: number }>("GET", `/audit/?recipient=${"x".repeat(255)}`);
  expect(audit.body.result.value?.count).toBe(0);
});

test("a deferred message is sent by the alarm when it is due, though workerd was restarted and no request came", async () => {
  using folder = temporaryFolder();
  await using server = await startSmtpServer({ script: { rcpt: reply("450 4.2.0 Try again") } });
  const services = { ...OBJECTS, durableObjectsPersist: folder.path };
  const before = await serveWorker({ bundle, bindings, services });
  const admin = await logIn(before.url.origin, ADMIN, PASSWORD);
  const message = { server: `127.0.0.1:${server.port}`, sender: "a@example.org", recipient: "c@example.net" };
  const { body } = await admin.test({ ...message, enqueue_job: true });
  const { mail_id: id = "" } = body.detail as { readonly mail_id?: string };
  await until(admin, id, "deferred");
  await before[Symbol.asyncDispose]();
  const arrived = Promise.withResolvers<void>();
  server.script("body", (_peer, accept) => {
    arrived.resolve();
    accept();
  });
  server.script("rcpt", undefined);
  await using after = await serveWorker({ bundle, bindings, services });
  await arrived.promise;
  const { attempts } = await until(await logIn(after.url.origin, ADMIN, PASSWORD), id, "sent");
  expect(attempts).toHaveLength(2);
});

test("requests that arrive while the object starts all wait for its start", async () => {
  await using fresh = await start();
  const requests = Array.from({ length: 20 }, () => fetch(new URL("/readyz", fresh.url)));
  const statuses = (await Promise.all(requests)).map(({ status }) => status);
  expect(statuses).toEqual(Array.from(statuses, () => 200));
  expect((await logIn(fresh.url.origin, ADMIN, PASSWORD)).token).not.toBeEmpty();
});

test.each([
  ["SEALPOST_DATABASE_URL", "https://db.example.org", "this Worker has its database in a Durable Object"],
  ["SEALPOST_WAKE", "cloudflare", "the alarm of the Durable Object sends queued mail"],
])("%s, which only the other build uses, is rejected", async (name, value, reason) => {
  const lines: string[] = [];
  await using other = await serveWorker({
    ...{ bundle, services: OBJECTS, onLine: (line: string) => lines.push(line) },
    bindings: { ...bindings, [name]: value },
  });
  expect((await fetch(other.url)).status).toBe(503);
  expect(lines.join()).toContain(reason);
});
