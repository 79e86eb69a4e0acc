import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { LIBSQL_ENTRY, OBJECT_ENTRY } from "../../../tools/workers/build.ts";
import { OBJECTS, serveWorker } from "../../../tools/workers/serve.ts";
import { startHttpServer } from "../../fixtures/http/server.ts";
import { logIn } from "../../fixtures/process/api.ts";
import { builtWorker } from "../../fixtures/worker-bundle.ts";
import { ADMIN, bindingsFor, PASSWORD, startDatabase, startWorker, TEST_MS } from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);

const MAX_GZIP_BYTES = 426_000;
const bundle = await builtWorker(LIBSQL_ENTRY, "worker-mailer");
const database = await startDatabase();
afterAll(() => database[Symbol.asyncDispose]());
const bindings = { ...bindingsFor(database.url), SEALPOST_TRANSPORT: "worker-mailer" };

test.each([
  ["a Worker", LIBSQL_ENTRY],
  ["an object", OBJECT_ENTRY],
])("%s built with worker-mailer sends through it", async (_, entry) => {
  const isObject = entry === OBJECT_ENTRY;
  await using worker = await serveWorker({
    bundle: isObject ? await builtWorker(entry, "worker-mailer") : bundle,
    bindings: isObject ? { ...bindings, SEALPOST_DATABASE_URL: "" } : bindings,
    services: OBJECTS,
  });
  await using server = await startSmtpServer();
  const api = await logIn(worker.url.origin, ADMIN, PASSWORD);
  const definition = { server: `127.0.0.1:${server.port}`, sender: "sender@example.org" };
  const { body } = await api.test({ ...definition, recipient: "user@example.net" });
  expect(body).toMatchObject({ result: { value: true } });
  expect(server.messages).toHaveLength(1);
  // The smtp transport would pipeline.
  expect(server.connections[0]?.flights).toBeGreaterThanOrEqual(5);
});

test("a Worker built with worker-mailer sends by mail APIs as well", async () => {
  await using worker = await serveWorker({ bundle, bindings });
  await using server = await startHttpServer(() => ({ status: 200 }));
  const api = await logIn(worker.url.origin, ADMIN, PASSWORD);
  const definition = { server: "ses://eu-central-1", api_url: server.origin, sender: "sender@example.org" };
  const login = { username: "AKIDEXAMPLE", password: "secret" };
  const { body } = await api.test({ ...definition, ...login, recipient: "user@example.net" });
  expect(body).toMatchObject({ result: { value: true } });
  expect(server.requests).toHaveLength(1);
});

test("a Worker built with worker-mailer contains no other transport and stays within the size limit", () => {
  const bytes = bundle.modules.reduce((sum, { text }) => sum + Bun.gzipSync(text).length, 0);
  expect(bytes).toBeLessThanOrEqual(MAX_GZIP_BYTES);
  expect(bundle.inputs).not.toContain("src/runtime/workers/smtp.ts");
});

test("a built Worker gives worker-mailer only Sealpost's sockets", () => {
  const libraries = bundle.inputs.filter((path) => path.includes("node_modules/worker-mailer/"));
  expect(libraries).toEqual(["node_modules/worker-mailer/dist/index.js"]);
  expect(bundle.externals).not.toContain("cloudflare:sockets");
});

test("a Worker built by default contains no worker-mailer and rejects the setting for it", async () => {
  expect((await builtWorker()).inputs.filter((path) => path.includes("worker-mailer"))).toEqual([]);
  await using worker = await startWorker(bindings);
  expect((await fetch(worker.url)).status).toBe(503);
  const line = "SEALPOST_TRANSPORT: this Worker is built with smtp";
  expect(worker.lines.some((one) => one.includes(line))).toBe(true);
});
