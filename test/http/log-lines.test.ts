import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { definePlugin, route } from "sealpost/plugin";
import * as v from "valibot";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import { GREYLISTED, gatedInstance, LOST, queueInstance, REFUSED, TO } from "../mail/fixtures/queue.ts";

let records: LogRecord[] = [];
beforeEach(async () => {
  records = [];
  await configure({
    sinks: { all: (record) => void records.push(record) },
    loggers: [
      { category: ["sealpost"], sinks: ["all"], lowestLevel: "warning" },
      { category: ["logtape", "meta"], lowestLevel: "error" },
    ],
  });
});
afterEach(reset);

/** Of a database in memory. */
const LEASE_SECONDS = 10;
const properties = () => records.map((record) => record.properties);
const lines = () => records.map(({ message }) => message.join(""));

test("a body that its client does not finish is a client error, without a line", async () => {
  await using instance = await testInstance();
  const cutOff = () =>
    new ReadableStream({
      pull: (controller) => controller.error(new DOMException("The connection was closed", "AbortError")),
    });
  const message = "ERR905: Invalid parameter: body: expected all of it, but the client disconnected";
  for (const path of ["/auth", "/smtpserver/a"])
    for (const headers of [{}, { "content-length": "100" }]) {
      const options = { body: cutOff(), headers: { "content-type": "application/json", ...headers } };
      const { status, error } = await instance.request("POST", path, options);
      expect([path, status, error?.message]).toEqual([path, 400, message]);
    }
  expect(records).toEqual([]);
});

describe("a rejected login", () => {
  const fail = ({ request }: TestInstance, peer: string) =>
    request("POST", "/auth", { json: { username: "hunter2", password: "hunter3" }, token: null, peer });

  test("is one line a minute for each network, without the name", async () => {
    await using instance = await testInstance();
    for (let count = 0; count < 11; count++) await fail(instance, "192.0.2.1");
    for (const peer of ["2001:db8::1", "2001:db8::2"]) await fail(instance, peer);
    instance.clock.advance(60);
    await fail(instance, "192.0.2.1");
    expect(properties()).toEqual([
      { client: "192.0.2.1", code: "wrong_credentials" },
      { client: "2001:db8::1", code: "wrong_credentials" },
      { client: "192.0.2.1", code: "too_many_tries" },
    ]);
    expect(records.map(({ level }) => level)).toEqual(["warning", "warning", "warning"]);
    expect(JSON.stringify(records)).not.toMatch(/hunter/);
  });

  test("is no line if the login succeeds", async () => {
    await using instance = await testInstance();
    await instance.logIn("admin", "correct horse");
    expect(records).toEqual([]);
  });
});

describe("a message", () => {
  test("that fails while the caller waits is one line", async () => {
    await using instance = await queueInstance();
    await instance.save("office", { enqueue_job: false });
    instance.fail(REFUSED);
    await instance.request("POST", "/smtpserver/office/send_test_email", { json: { recipient: TO.address } });
    expect(properties()).toEqual([
      {
        messageId: expect.stringMatching(/^<.+>$/),
        identifier: "office",
        code: "recipient_rejected",
        phase: "recipient",
      },
    ]);
    expect(JSON.stringify(records)).not.toContain(TO.address);
  });

  test("through a definition that is not saved is one line without a name", async () => {
    await using instance = await queueInstance();
    instance.fail(REFUSED);
    const json = { server: "mail.example.org", sender: "app@example.org", recipient: TO.address };
    await instance.request("POST", "/smtpserver/send_test_email", { json });
    expect(lines()).toEqual([
      expect.stringMatching(/^Message <.+> failed: recipient_rejected in phase recipient$/),
    ]);
  });

  test("in the queue is one line for each deferral and one for the failure", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const id = await instance.queue();
    instance.fail(GREYLISTED);
    await instance.drain();
    instance.fail(REFUSED);
    instance.clock.advance(3_600);
    await instance.drain();
    const found = properties().map(({ mailId, state, code }) => [mailId, state, code]);
    expect(found).toEqual([
      [id, "deferred", expect.any(String)],
      [id, "failed", "recipient_rejected"],
    ]);
    expect(JSON.stringify(records)).not.toContain(TO.address);
  });

  test("in the queue that may have been sent is a line that says unknown, not failed", async () => {
    await using instance = await queueInstance();
    await instance.save();
    instance.fail(LOST);
    const id = await instance.queue({ purpose: "code" });
    await instance.drain();
    expect(lines()).toEqual([`Message ${id} through a unknown: closed in phase data`]);
  });

  test("in the queue whose worker ended while it was sent is a line that says so", async () => {
    await using instance = await gatedInstance();
    const id = await instance.queue({ purpose: "code" });
    const first = instance.drain();
    await instance.entrance.reached();
    instance.clock.advance(LEASE_SECONDS + 1);
    await instance.drain();
    expect(lines()).toEqual([`Message ${id} through a unknown: its worker ended while it was sent`]);
    instance.entrance.open();
    await first;
  });

  test("in the queue that expires before an attempt is one line that says so", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const id = await instance.queue({ expiresAt: new Date(instance.clock.now.getTime() + 60_000) });
    instance.clock.advance(61);
    await instance.drain();
    expect(lines()).toEqual([`Message ${id} through a expired: it was not attempted`]);
  });
});

test("a plugin's route that fails after its time limit is a line of its own", async () => {
  const fails = Promise.withResolvers<never>();
  const slow = definePlugin({
    name: "slow",
    options: v.object({}),
    setup: () => ({
      routes: [route({ method: "GET", path: "/slow", open: true }, (): Promise<string> => fails.promise)],
    }),
  });
  await using instance = await testInstance({ plugins: [slow()], pluginRequestMs: 1 });
  expect((await instance.request("GET", "/slow")).status).toBe(503);
  records = [];
  const error = new TypeError("a bug");
  fails.reject(error);
  await Promise.resolve();
  await Promise.resolve();
  await new Promise(setImmediate);
  expect(properties()).toEqual([{ plugin: "slow", action: "GET /slow", error }]);
});
