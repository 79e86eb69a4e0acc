import { expect, setDefaultTimeout, test } from "bun:test";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { OBJECTS, type ServeWorkerOptions, serveWorker } from "../../../tools/workers/serve.ts";
import { signCall } from "../../fixtures/operator-call.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { builtWorker } from "../../fixtures/worker-bundle.ts";
import { KEYS, PASSWORD, TEST_MS } from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);

const bundle = await builtWorker(new URL("fixtures/failing-object.ts", import.meta.url).pathname);
const bindings = { SEALPOST_KEYS: KEYS, SEALPOST_ADMIN_PASSWORD: PASSWORD };
const start = (folder: string, more: Partial<ServeWorkerOptions> = {}) =>
  serveWorker({ bundle, bindings, services: { ...OBJECTS, durableObjectsPersist: folder }, ...more });

test("a read whose object ends meanwhile gets its response from the next object", async () => {
  using folder = temporaryFolder();
  const lines: string[] = [];
  await using worker = await start(folder.path, { onLine: (line) => lines.push(line) });
  const first = await fetch(new URL("/doors/end-once", worker.url));
  expect([first.status, lines]).toEqual([200, []]);
  const again = await fetch(new URL("/doors/end", worker.url));
  expect([again.status, again.headers.get("Retry-After")]).toEqual([503, "2"]);
  expect(await again.json()).toMatchObject({ result: { status: false, error: { code: 503 } } });
  expect(lines.join()).toContain("A read did not reach the object");
});

test.each([
  ["a read", "GET", 200],
  ["a change, which is not repeated,", "POST", 500],
])("%s whose object ends in its response is no part of a success", async (_, method, status) => {
  using folder = temporaryFolder();
  await using worker = await start(folder.path);
  const response = await fetch(new URL("/doors/cut-once", worker.url), { method });
  expect(response.status).toBe(status);
  // The whole of another response.
  expect(await response.json()).toBeObject();
});

test("a read with a body is repeated, too: the body does not reach the object", async () => {
  using folder = temporaryFolder();
  await using worker = await start(folder.path);
  const headers = { "Transfer-Encoding": "chunked" };
  const sent = httpRequest(new URL("/doors/end-once", worker.url), { headers });
  sent.end("body");
  const [response] = await once(sent, "response");
  expect(response.statusCode).toBe(200);
  await once(response.resume(), "end");
});

test("a call of the operator that is lost with the object is not repeated, because it is accepted once", async () => {
  using folder = temporaryFolder();
  await using worker = await start(folder.path);
  const { host, origin } = worker.url;
  const path = "/operator/api/admin/?end-once";
  const call = async () =>
    fetch(origin + path, {
      headers: { authorization: await signCall({ path, host, keys: KEYS, time: new Date() }) },
    });
  const lost = await call();
  expect([lost.status, lost.headers.get("Retry-After")]).toEqual([503, "2"]);
  expect((await call()).status).toBe(200);
});
