import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createSealpost } from "sealpost";
import { openDrivers } from "sealpost/bun";
import { startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { QUEUES, serveWorker } from "../../../tools/workers/serve.ts";
import { CHEAP } from "../../fixtures/instance.ts";
import { builtWorker } from "../../fixtures/worker-bundle.ts";
import { ADMIN, KEYS, PASSWORD, startDatabase, TEST_MS } from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);

const MOST_CONNECTIONS = 4;
const RECIPIENTS = Array.from({ length: 12 }, (_, index) => `you${index}@example.net`).sort();
const TO = new URLSearchParams(RECIPIENTS.map((address): [string, string] => ["to", address]));

const bundle = await builtWorker(new URL("fixtures/host-worker.ts", import.meta.url).pathname);
const database = await startDatabase();
const bindings = { DATABASE_URL: database.url, KEYS };
const server = await startSmtpServer();
/** An instance over the same database that sends nothing. */
const outside = createSealpost({
  ...(await openDrivers({ databaseUrl: database.url, keys: KEYS })),
  ...{ worker: false, passwordCost: CHEAP },
});
afterAll(async () => {
  await outside[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

beforeAll(async () => {
  await outside.start();
  await outside.makeFirstAdmin({ username: ADMIN, password: PASSWORD });
  const post = (path: string, form: Record<string, string>, headers: Record<string, string> = {}) =>
    outside.app.request(path, { method: "POST", body: new URLSearchParams(form), headers });
  const login = await post("/auth", { username: ADMIN, password: PASSWORD });
  const { result } = (await login.json()) as {
    readonly result: { readonly value: { readonly token: string } };
  };
  const definition = { server: `127.0.0.1:${server.port}`, sender: "a@example.org", enqueue_job: "1" };
  const saved = await post("/smtpserver/main", definition, { Authorization: result.value.token });
  expect(saved.status).toBe(200);
});

/** Returns the messages that the server received since the last call. */
let seenMails = 0;
function news(): string[] {
  const recipients = server.messages.slice(seenMails).flatMap((mail) => mail.recipients);
  seenMails += recipients.length;
  return recipients.sort();
}

/** Resolves when this many messages have arrived. The time limit of the test bounds it. */
async function arrived(count: number): Promise<void> {
  while (server.messages.length < seenMails + count) await new Promise(setImmediate);
}

test("a host app's request sends what it queued after its response", async () => {
  await using worker = await serveWorker({ bundle, bindings });
  const response = await fetch(new URL(`/?${TO}`, worker.url));
  expect(new Set((await response.json()) as string[])).toEqual(new Set(["queued"]));
  await arrived(RECIPIENTS.length);
  expect(news()).toEqual(RECIPIENTS);
});

test("sealpost.drain() in scheduled sends due mail through few connections and closes them", async () => {
  await using worker = await serveWorker({ bundle, bindings });
  for (const address of RECIPIENTS) {
    await outside.submit("main", { to: [{ name: "", address }], subject: "Queued", text: "Queued\n" });
  }
  const before = server.connections.length;
  await worker.runScheduled();
  expect(news()).toEqual(RECIPIENTS);
  expect(server.connections.length - before).toBeLessThanOrEqual(MOST_CONNECTIONS);
  await server.closed();
});

test("a host app with a queue sends in its consumer", async () => {
  await using worker = await serveWorker({ bundle, bindings, services: QUEUES });
  await fetch(new URL(`/?${TO}`, worker.url));
  await arrived(RECIPIENTS.length);
  expect(news()).toEqual(RECIPIENTS);
});
