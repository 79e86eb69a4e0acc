import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { Response } from "miniflare";
import { parseConfig } from "../../../src/config.ts";
import { openInstance } from "../../../src/runtime/local/instance.ts";
import { reply, type SmtpTestServer, startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { QUEUES } from "../../../tools/workers/serve.ts";
import type { Api } from "../../fixtures/process/api.ts";
import {
  bindingsFor,
  startDatabase,
  startWorker,
  TEST_MS,
  type WorkerSealpost,
} from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);

const EACH_MINUTE = "* * * * *";
const AT_ONCE = 40;

const database = await startDatabase();
afterAll(() => database[Symbol.asyncDispose]());
const bindings = bindingsFor(database.url);

const mailFor = ({ port }: SmtpTestServer, recipient: string) => ({
  ...{ server: `127.0.0.1:${port}`, sender: "a@example.org", recipient, enqueue_job: true },
});

interface Queued {
  readonly state: string;
  readonly attempts: readonly { readonly outcome: string }[];
}

/** Queues a test message. @returns its ID. */
async function queue(api: Api, server: SmtpTestServer, recipient: string): Promise<string> {
  const { body } = await api.test(mailFor(server, recipient));
  const detail = body.detail as { readonly queued?: boolean; readonly mail_id?: string } | undefined;
  expect([body.result.value, detail?.queued]).toEqual([true, true]);
  return detail?.mail_id ?? "";
}

/** Polls until a message is in this state. The time limit of the test bounds it. */
async function until(api: Api, id: string, state: string): Promise<Queued> {
  for (;;) {
    const { body } = await api.call<Queued>("GET", `/mail/${id}`);
    if (body.result.value?.state === state) return body.result.value;
  }
}

describe("without a queue", () => {
  let worker: WorkerSealpost;
  let api: Api;
  afterAll(() => worker[Symbol.asyncDispose]());

  test("the request that queued a message sends it after its response and closes the connection with QUIT", async () => {
    worker = await startWorker(bindings);
    api = await worker.logIn();
    await using server = await startSmtpServer();
    const mail = await until(api, await queue(api, server, "b@example.net"), "sent");
    expect(mail.attempts).toMatchObject([{ outcome: "sent" }]);
    expect(server.messages.map(({ recipients }) => recipients)).toEqual([["b@example.net"]]);
    await server.closed();
    expect(server.connections[0]?.commands.at(-1)).toBe("QUIT");
  });

  test("the trigger of each minute finds what another process queued", async () => {
    await using server = await startSmtpServer();
    const env = { SEALPOST_DATABASE_URL: database.url, SEALPOST_KEYS: bindings.SEALPOST_KEYS };
    await using local = await openInstance(parseConfig(env));
    await api.save("found", { ...mailFor(server, ""), recipient: undefined });
    const to = [{ name: "", address: "c@example.net" }];
    const result = await local.submit("found", { to, subject: "Found", text: "Found\n" });
    expect(result.state).toBe("queued");
    expect(server.messages).toHaveLength(0);
    await worker.runScheduled(EACH_MINUTE);
    expect(server.messages).toHaveLength(1);
  });

  test("the trigger or a retry by an admin makes the next attempt", async () => {
    await using server = await startSmtpServer({ script: { rcpt: reply("450 4.2.0 Try again in 1 hour") } });
    const id = await queue(api, server, "d@example.net");
    await until(api, id, "deferred");
    server.script("rcpt", undefined);
    await worker.runScheduled(EACH_MINUTE);
    expect(server.messages).toHaveLength(0);
    expect((await api.call("POST", `/mail/${id}/retry`)).status).toBe(200);
    expect((await until(api, id, "sent")).attempts).toHaveLength(2);
    expect(server.messages).toHaveLength(1);
  });

  test(`${AT_ONCE} simultaneous requests that queue, and triggers, send every message once`, async () => {
    await using server = await startSmtpServer();
    const recipients = Array.from({ length: AT_ONCE }, (_, index) => `you${index}@example.net`).sort();
    const queueing = Promise.all(recipients.map((recipient) => queue(api, server, recipient)));
    await Promise.all([worker.runScheduled(EACH_MINUTE), worker.runScheduled(EACH_MINUTE), queueing]);
    for (const id of await queueing) await until(api, id, "sent");
    expect(server.messages.flatMap((mail) => mail.recipients).sort()).toEqual(recipients);
  });
});

describe("with a queue", () => {
  const withQueue = { ...bindings, SEALPOST_WAKE: "cloudflare" };

  test("its consumer sends, and sends again when the next attempt is due, without a trigger", async () => {
    await using worker = await startWorker(withQueue, [], { services: QUEUES });
    const api = await worker.logIn();
    await using server = await startSmtpServer({
      script: { rcpt: reply("450 4.2.0 Try again in 1 second") },
    });
    const id = await queue(api, server, "e@example.net");
    await until(api, id, "deferred");
    server.script("rcpt", undefined);
    expect((await until(api, id, "sent")).attempts.map(({ outcome }) => outcome)).toEqual([
      "not-sent",
      "sent",
    ]);
    expect(server.messages).toHaveLength(1);
  });

  test("that rejects wakes, the response reports a queued message, and the trigger finds it", async () => {
    // A service without this method.
    const serviceBindings = { WAKES: () => new Response(null, { status: 500 }) };
    await using worker = await startWorker(withQueue, [], { services: { serviceBindings } });
    const api = await worker.logIn();
    await using server = await startSmtpServer();
    const id = await queue(api, server, "f@example.net");
    expect((await api.call<Queued>("GET", `/mail/${id}`)).body.result.value?.attempts).toEqual([]);
    await worker.runScheduled(EACH_MINUTE);
    expect(server.messages).toHaveLength(1);
    expect(worker.lines.some((line) => line.includes("No wake for message"))).toBe(true);
  });
});

test("the example of wrangler.jsonc is the queue of these tests", async () => {
  const text = await Bun.file(join(import.meta.dir, "..", "..", "..", "wrangler.jsonc")).text();
  const [, example = ""] = /^ {2}\/\/ "queues": ([\s\S]*?^ {2}\/\/ \}),$/m.exec(text) ?? [];
  const { producers, consumers } = Bun.JSONC.parse(example.replaceAll(/^ *\/\//gm, "")) as {
    readonly [K in "producers" | "consumers"]: readonly Readonly<Record<string, unknown>>[];
  };
  const name = QUEUES.queueProducers.WAKES.queueName;
  const { maxBatchSize, maxBatchTimeout, maxRetries } = QUEUES.queueConsumers["sealpost-wakes"];
  expect(producers).toEqual([{ queue: name, binding: "WAKES" }]);
  const limits = {
    max_batch_size: maxBatchSize,
    max_batch_timeout: maxBatchTimeout,
    max_retries: maxRetries,
  };
  expect(consumers).toEqual([{ queue: name, ...limits }]);
});
