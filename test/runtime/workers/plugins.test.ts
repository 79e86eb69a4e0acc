import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { OBJECT_ENTRY } from "../../../tools/workers/build.ts";
import { OBJECTS, type ServedWorker, serveWorker } from "../../../tools/workers/serve.ts";
import { logIn } from "../../fixtures/process/api.ts";
import { builtWorker } from "../../fixtures/worker-bundle.ts";
import { packageFeatures } from "./fixtures/package-features.ts";
import { ADMIN, bindingsFor, KEYS, PASSWORD, startDatabase, TEST_MS } from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);

test("a Worker has the plugins that it is built with, and their background work continues after the response", async () => {
  const config = join(import.meta.dir, "fixtures", "plugin-config.ts");
  const bundle = await builtWorker(undefined, "smtp", config);
  await using database = await startDatabase();
  await using server = await startSmtpServer();
  await using worker = await serveWorker({
    bundle,
    bindings: bindingsFor(database.url),
    authorities: [],
    onLine: () => undefined,
  });
  const api = await logIn(worker.url.origin, ADMIN, PASSWORD);
  await api.save("default", { server: `127.0.0.1:${server.port}`, sender: "app@example.org" });
  const body = JSON.stringify({ address: "ann@example.net", text: "I like it" });
  const headers = { "content-type": "application/json" };
  const give = () => fetch(`${worker.url.origin}/feedback/`, { method: "POST", body, headers });
  expect(await (await give()).json()).toMatchObject({ result: { value: true } });
  const responses = await Promise.all(Array.from({ length: 8 }, give));
  const statuses = responses.map(({ status }) => status).toSorted();
  expect(statuses.filter((status) => status !== 200).every((status) => status === 429)).toBe(true);
  expect(statuses.filter((status) => status === 200).length).toBeLessThanOrEqual(4);
  const subjects = () =>
    server.messages.map(({ bytes }) => /^Subject: (.*)\r$/m.exec(new TextDecoder().decode(bytes))?.[1]);
  for (let look = 0; look < 200 && !subjects().includes("After the answer"); look++) await Bun.sleep(10);
  expect(subjects()).toContain("Feedback from ann@example.net");
  expect(subjects()).toContain("After the answer");
});

const FIXTURES = join(import.meta.dir, "fixtures");

test("packages do for a plugin in a Worker what they do outside of it", async () => {
  const bundle = await builtWorker(OBJECT_ENTRY, "smtp", join(FIXTURES, "features-config.ts"));
  const bindings = { SEALPOST_KEYS: KEYS, SEALPOST_ADMIN_PASSWORD: PASSWORD };
  await using worker = await serveWorker({ bundle, bindings, services: OBJECTS, onLine: () => undefined });
  await expectFeatures(worker);
});

test("packages do for an entry of a host what they do outside of it", async () => {
  const bundle = await builtWorker(join(FIXTURES, "features-worker.ts"));
  await using worker = await serveWorker({ bundle, bindings: {}, onLine: () => undefined });
  await expectFeatures(worker);
  const body = JSON.stringify({ a: 1 });
  const response = await fetch(new URL("/request/?tag=b&tag=c", worker.url), { method: "POST", body });
  expect(await response.json()).toEqual([{ a: 1 }, ["b", "c"]]);
});

async function expectFeatures({ url }: ServedWorker): Promise<void> {
  const expected = JSON.parse(JSON.stringify(await packageFeatures()));
  const response = await fetch(new URL("/features/", url));
  expect(await response.json()).toMatchObject({ result: { value: expected } });
}
