import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { bundleWorker } from "../../../tools/workers/build.ts";
import { serveWorker } from "../../../tools/workers/serve.ts";
import { logIn } from "../../fixtures/process/api.ts";
import { ADMIN, bindingsFor, PASSWORD, startDatabase, TEST_MS } from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);

test("a Worker has the plugins that it is built with, and their background work continues after the response", async () => {
  const config = join(import.meta.dir, "fixtures", "plugin-config.ts");
  const bundle = await bundleWorker(undefined, "smtp", config);
  expect(bundle.modules[0]?.text).toContain("fullJoin");
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
