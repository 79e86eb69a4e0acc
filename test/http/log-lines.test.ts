import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { definePlugin, route } from "sealpost/plugin";
import * as v from "valibot";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import { GREYLISTED, queueInstance, REFUSED, TO } from "../mail/fixtures/queue.ts";

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

const properties = () => records.map((record) => record.properties);

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
    const lines = records.map(({ message }) => message.join(""));
    expect(lines).toEqual([
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
    const lines = properties().map(({ mailId, state, code }) => [mailId, state, code]);
    expect(lines).toEqual([
      [id, "deferred", expect.any(String)],
      [id, "failed", "recipient_rejected"],
    ]);
    expect(JSON.stringify(records)).not.toContain(TO.address);
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
