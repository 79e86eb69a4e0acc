import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { OBJECT_ENTRY } from "../../../tools/workers/build.ts";
import { OBJECTS, serveWorker } from "../../../tools/workers/serve.ts";
import { signCall } from "../../fixtures/operator-call.ts";
import { type Api, logIn, request } from "../../fixtures/process/api.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { runCli } from "../../fixtures/process/sealpost.ts";
import { builtWorker } from "../../fixtures/worker-bundle.ts";
import { ADMIN, KEYS, PASSWORD, TEST_MS } from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);

const bindings = { SEALPOST_KEYS: KEYS, SEALPOST_ADMIN_PASSWORD: PASSWORD };
/** Connections of one definition in an object. */
const CONNECTIONS = 4;

async function operate(url: URL, path: string, parameters: object) {
  const body = JSON.stringify(parameters);
  const headers = { "content-type": "application/json" };
  const call = { method: "POST", path, host: url.host, keys: KEYS, body, time: new Date(), headers };
  const authorization = await signCall(call);
  const init = { method: "POST", body, headers: { ...headers, authorization } };
  return request<Record<string, unknown>>(url.origin + path, init);
}

interface Page {
  readonly mails: readonly { readonly state: string }[];
}

async function states(api: Api): Promise<readonly string[]> {
  const { body } = await api.call<Page>("GET", "/mail/?page_size=100");
  return [...new Set(body.result.value?.mails.map(({ state }) => state))];
}

const queue = (api: Api, count: number) =>
  api.call("POST", "/mail/batch", {
    messages: Array.from({ length: count }, (_, index) => ({
      server: "main",
      to: [`m${index}@example.net`],
      subject: "x",
      text: "x",
    })),
  });

test("a renewal of tokens interrupts no message, neither in the queue nor of a caller", async () => {
  await using smtp = await startSmtpServer();
  const lines: string[] = [];
  const bundle = await builtWorker(OBJECT_ENTRY);
  const onLine = (line: string) => lines.push(line);
  await using worker = await serveWorker({ bundle, bindings, services: OBJECTS, onLine });
  const { url } = worker;
  const busy = Promise.withResolvers<void>();
  let arrived = 0;
  smtp.script("body", (_peer, accept) => {
    arrived++;
    if (arrived === CONNECTIONS) busy.resolve();
    setTimeout(accept, 200);
  });
  const api = await logIn(url.origin, ADMIN, PASSWORD);
  await api.save("main", { server: `127.0.0.1:${smtp.port}`, sender: "a@example.org" });
  const inline = Array.from({ length: 2 * CONNECTIONS }, (_, index) =>
    api.call("POST", "/smtpserver/main/send_test_email", { recipient: `i${index}@example.net` }),
  );
  expect((await queue(api, 20)).status).toBe(200);
  await busy.promise;
  expect((await operate(url, "/operator/keys/rotate", { tokens: true })).status).toBe(200);
  expect((await api.call("GET", "/admin/")).status).toBe(401);
  expect((await Promise.all(inline)).map(({ status }) => status)).toEqual(inline.map(() => 200));
  const again = await logIn(url.origin, ADMIN, PASSWORD);
  while ((await states(again)).includes("sending") || smtp.messages.length < inline.length + 20)
    await Bun.sleep(100);
  expect(await states(again)).toEqual(["sent"]);
  expect(lines.filter((line) => line.includes('"ERROR"'))).toEqual([]);
});

test("a restore leaves callers their responses, and ends the work of the instance before it", async () => {
  using folder = temporaryFolder();
  await using smtp = await startSmtpServer();
  const lines: string[] = [];
  const config = join(import.meta.dir, "fixtures", "ticking-config.ts");
  const bundle = await builtWorker(OBJECT_ENTRY, "smtp", config);
  const onLine = (line: string) => lines.push(line);
  await using worker = await serveWorker({ bundle, bindings, services: OBJECTS, onLine });
  const { origin } = worker.url;
  const cli = (...args: readonly string[]) =>
    runCli([...args, "--url", origin], { folder: folder.path, env: { SEALPOST_KEYS: KEYS } });
  smtp.script("body", (_peer, accept) => {
    setTimeout(accept, 1_000);
  });
  const api = await logIn(origin, ADMIN, PASSWORD);
  await api.save("main", { server: `127.0.0.1:${smtp.port}`, sender: "a@example.org" });
  expect((await queue(api, 60)).status).toBe(200);
  while (!(await states(api)).includes("sending")) await Bun.sleep(20);
  expect(await cli("backup", "all.jsonl")).toMatchObject({ code: 0, stderr: "" });
  const inline = Array.from({ length: 2 * CONNECTIONS }, (_, index) =>
    api.call("POST", "/smtpserver/main/send_test_email", { recipient: `i${index}@example.net` }),
  );
  expect(await cli("restore", "all.jsonl", "--replace")).toMatchObject({ code: 0, stderr: "" });
  const list = async () => (await api.call("GET", "/mail/?page_size=100")).body.result.value;
  const restored = await list();
  expect((await Promise.all(inline)).map(({ status }) => status)).toEqual(inline.map(() => 200));
  while (!lines.some((line) => line.includes("Instance 1 is closed"))) await Bun.sleep(20);
  lines.splice(0, lines.findIndex((line) => line.includes("Instance 1 is closed")) + 1);
  const { length } = smtp.messages;
  // Twice as long as the mail server takes for a message, on the clock of the new instance.
  while (lines.filter((line) => line.includes("Instance 2 runs")).length < 20) await Bun.sleep(20);
  expect(smtp.messages).toHaveLength(length);
  expect(await list()).toEqual(restored);
  expect(lines.some((line) => line.includes("Instance 2 runs"))).toBe(true);
  expect(lines.filter((line) => /Instance 1 |"ERROR"/.test(line))).toEqual([]);
});
