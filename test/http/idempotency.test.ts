import { describe, expect, test } from "bun:test";
import { Secret } from "../../src/domain/secret.ts";
import { createMemoryTransport } from "../../src/transport/memory.ts";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import type { RequestOptions, TestResponse } from "../fixtures/request.ts";

const TEST = { server: "mail.example.org", recipient: "user@example.net", sender: "me@example.org" };
const DAY_SECONDS = 86_400;

const send = (instance: TestInstance, key: string, json: object = {}, options: RequestOptions = {}) =>
  instance.request("POST", "/smtpserver/send_test_email", {
    json: { ...TEST, ...json },
    headers: { "Idempotency-Key": key },
    ...options,
  });
/** The fields of a response that do not depend on time. */
const fieldsOf = ({ status, body }: TestResponse) => ({ status, result: body.result, detail: body.detail });

/** A transport whose deliveries end when the test allows it. */
function holding() {
  const memory = createMemoryTransport();
  const inFlight = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const send: typeof memory.send = async (...args) => {
    inFlight.resolve();
    await gate.promise;
    return memory.send(...args);
  };
  return {
    transport: { ...memory, send },
    sent: memory.sent,
    inFlight: inFlight.promise,
    letGo: gate.resolve,
  };
}

describe("Idempotency-Key on send_test_email", () => {
  test("returns the first response to a second call, and sends once", async () => {
    await using instance = await testInstance();
    const first = await send(instance, "one");
    expect(first.value).toBe(true);
    instance.clock.advance(60);
    expect(fieldsOf(await send(instance, "one"))).toEqual(fieldsOf(first));
    const form = await send(instance, "one", {}, { form: TEST });
    expect(fieldsOf(form)).toEqual(fieldsOf(first));
    expect(instance.sent).toHaveLength(1);
    expect((await send(instance, "two")).value).toBe(true);
    expect(instance.sent).toHaveLength(2);
  });

  test("returns the same mail_id for a queued message, even after it was sent", async () => {
    await using instance = await testInstance();
    const first = await send(instance, "one", { enqueue_job: true });
    const signal = new AbortController().signal;
    await instance.services.drain({ signal, endsMs: performance.now() + 10_000, messageTimeoutMs: 100 });
    const second = await send(instance, "one", { enqueue_job: true });
    expect(first.detail).toMatchObject({ queued: true, mail_id: expect.any(String) });
    expect(fieldsOf(second)).toEqual(fieldsOf(first));
    expect((await instance.request("GET", "/mail/")).value).toMatchObject({ count: 1 });
    expect(instance.sent).toHaveLength(1);
  });

  test("repeats the response of a failed test", async () => {
    const transport = createMemoryTransport();
    transport.fail({ phase: "connect", code: "refused", retryable: true });
    await using instance = await testInstance({ transport });
    const first = await send(instance, "one");
    expect([first.value, first.detail?.delivery]).toMatchObject([false, { code: "refused" }]);
    expect(fieldsOf(await send(instance, "one"))).toEqual(fieldsOf(first));
    expect(transport.sent).toEqual([]);
  });

  test.each<[name: string, change: object]>([
    ["recipient", { recipient: "other@example.net" }],
    ["server", { server: "other.example.org" }],
    ["password", { username: "u", password: "p" }],
    ["identifier", { identifier: "office" }],
    ["enqueue_job", { enqueue_job: true }],
  ])("with another %s is 409, and nothing is sent", async (_, change) => {
    await using instance = await testInstance();
    await send(instance, "one");
    const { status, error } = await send(instance, "one", change);
    expect([status, error?.code]).toEqual([409, 409]);
    expect(error?.message).toContain("was used for a different request");
    expect(instance.sent).toHaveLength(1);
  });

  test("of a call that has not ended gets 409, and one of several concurrent calls runs", async () => {
    const { transport, sent, inFlight, letGo } = holding();
    await using instance = await testInstance({ transport });
    const first = send(instance, "one");
    await inFlight;
    const others = await Promise.all([send(instance, "one"), send(instance, "one")]);
    for (const { status, error } of others) {
      expect([status, error?.code]).toEqual([409, 409]);
      expect(error?.message).toContain("in use");
    }
    letGo();
    const response = await first;
    expect(response.value).toBe(true);
    expect(fieldsOf(await send(instance, "one"))).toEqual(fieldsOf(response));
    expect(sent).toHaveLength(1);
  });

  test("of several simultaneous calls runs one", async () => {
    await using instance = await testInstance();
    const responses = await Promise.all(Array.from({ length: 8 }, () => send(instance, "one")));
    expect(responses.every(({ status }) => status === 200 || status === 409)).toBe(true);
    expect(responses.some(({ status }) => status === 200)).toBe(true);
    expect(instance.sent).toHaveLength(1);
  });

  test("belongs to one admin", async () => {
    await using instance = await testInstance();
    const actor = { action: "", administrator: "", realm: "", client: "", policies: "", requestId: "" };
    await instance.services.admins.save(
      { username: "second", realm: "" },
      { password: new Secret("a secret word") },
      actor,
    );
    const token = await instance.logIn("second", "a secret word");
    await send(instance, "one");
    expect((await send(instance, "one", { recipient: "b@example.net" }, { token })).status).toBe(200);
    expect(instance.sent.map(({ recipient }) => recipient)).toEqual(["user@example.net", "b@example.net"]);
  });

  test("is free again after 24 hours", async () => {
    await using instance = await testInstance({ tokenSeconds: 2 * DAY_SECONDS });
    await send(instance, "one");
    instance.clock.advance(DAY_SECONDS);
    await send(instance, "one");
    expect(instance.sent).toHaveLength(1);
    instance.clock.advance(1);
    expect((await send(instance, "one", { recipient: "b@example.net" })).status).toBe(200);
    expect(instance.sent).toHaveLength(2);
  });

  test("is free again after a rejected call", async () => {
    await using instance = await testInstance();
    expect((await send(instance, "one", { recipient: "nobody" })).status).toBe(400);
    expect((await send(instance, "one", { password: "__CENSORED__" })).status).toBe(400);
    expect((await send(instance, "one")).value).toBe(true);
  });

  test.each(["", "x".repeat(256), "é", "a\tb"])("that is %j is 905", async (key) => {
    await using instance = await testInstance();
    const { status, error } = await send(instance, key);
    expect([status, error?.code]).toEqual([400, 905]);
    expect(error?.message).toContain("Idempotency-Key: expected 1 to 255 characters");
    expect(instance.sent).toEqual([]);
  });

  test("may have 255 characters, and is stored without the secrets of the call", async () => {
    await using instance = await testInstance();
    const response = await send(instance, "~".repeat(255), { username: "u", password: "hunter2" });
    expect(response.value).toBe(true);
    const rows = await instance.database.read.all("SELECT * FROM idempotency");
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain("hunter2");
  });
});
