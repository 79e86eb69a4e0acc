import { describe, expect, test } from "bun:test";
import PostalMime from "postal-mime";
import { createMemoryTransport } from "../../src/transport/memory.ts";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import type { RequestOptions, TestResponse } from "../fixtures/request.ts";

const SERVER = {
  server: "mail.example.org",
  port: 587,
  username: "u",
  password: "p",
  sender: "me@example.org",
};
const RECIPIENT = "user@example.net";
const PATH = "/smtpserver/B%C3%BCro%201/send_test_email";
const NAME = "Büro 1";

const save = (instance: TestInstance, json: object = {}) =>
  instance.request("POST", `/smtpserver/${encodeURIComponent(NAME)}`, { json: { ...SERVER, ...json } });
const send = (instance: TestInstance, json: object = {}, options: RequestOptions = {}) =>
  instance.request("POST", PATH, { json: { recipient: RECIPIENT, ...json }, ...options });
const outcome = ({ status, value, error }: TestResponse) => (error ? [status, error.code] : [status, value]);

describe("POST /smtpserver/<identifier>/send_test_email", () => {
  test("sends a message through the definition as it is saved", async () => {
    await using instance = await testInstance();
    await save(instance, { pipelining: "off" });
    const response = await send(instance);
    expect(outcome(response)).toEqual([200, true]);
    expect(response.detail?.delivery).toMatchObject({
      outcome: "sent",
      accepted: [RECIPIENT],
      reached: null,
    });
    const [delivery] = instance.sent;
    expect(instance.sent).toHaveLength(1);
    expect(delivery).toMatchObject({ from: SERVER.sender, recipient: RECIPIENT });
    expect(delivery?.server).toMatchObject({ host: "mail.example.org", port: 587, pipelining: "off" });
    expect(delivery?.server.password.reveal()).toBe("p");
    const { subject, text } = await PostalMime.parse(delivery?.bytes ?? new Uint8Array());
    expect(subject).toBe("Test Email from Sealpost");
    expect(text).toContain(`The configuration ${NAME} works.`);
  });

  test("sends while the caller waits, even through a definition that queues", async () => {
    await using instance = await testInstance();
    await save(instance, { enqueue_job: true });
    for (const enqueue_job of [undefined, null, false]) {
      const { detail } = await send(instance, { enqueue_job });
      expect([detail?.queued, detail?.mail_id]).toEqual([undefined, undefined]);
    }
    expect(instance.sent).toHaveLength(3);
  });

  test("queues with enqueue_job", async () => {
    await using instance = await testInstance();
    await save(instance);
    const { value, detail } = await send(instance, { enqueue_job: "true" });
    expect([value, detail?.queued, instance.sent.length]).toEqual([true, true, 0]);
    const queued = await instance.request("GET", `/mail/${detail?.mail_id}`);
    expect(queued.value).toMatchObject({ identifier: NAME, state: "queued" });
  });

  test("is false with a diagnosis when it fails, and counts for the circuit", async () => {
    const transport = createMemoryTransport();
    await using instance = await testInstance({ transport });
    await save(instance);
    transport.fail({ phase: "connect", code: "refused" });
    const { status, value, detail } = await send(instance);
    expect([status, value]).toEqual([200, false]);
    expect(detail?.delivery).toMatchObject({
      phase: "connect",
      code: "refused",
      hint: expect.stringContaining("587"),
    });
    const shown = await instance.request("GET", `/smtpserver/${encodeURIComponent(NAME)}`);
    expect(shown.detail?.health).toMatchObject({ failures: 1 });
  });

  test("is 404 for an unknown definition, audited, and reaches no server", async () => {
    await using instance = await testInstance();
    for (const json of [{}, { until: "connect" }]) {
      const response = await send(instance, json);
      expect(outcome(response)).toEqual([404, 601]);
      expect(response.error?.message).toBe("The requested SMTPServer could not be found.");
    }
    expect(instance.sent).toEqual([]);
    const { value } = await instance.request("GET", "/audit/", { query: { identifier: NAME } });
    const action = "POST /smtpserver/<identifier>/send_test_email";
    expect(value).toMatchObject({
      auditdata: [
        { action, success: false, recipient: "", info: "resource_not_found" },
        { action, success: false, recipient: RECIPIENT, info: "resource_not_found" },
      ],
    });
  });

  test("writes one audit row", async () => {
    await using instance = await testInstance();
    await save(instance);
    await send(instance);
    const { value } = await instance.request("GET", "/audit/", { query: { recipient: RECIPIENT } });
    const action = "POST /smtpserver/<identifier>/send_test_email";
    const row = { action, success: true, identifier: NAME, outcome: "sent" };
    expect(value).toMatchObject({ count: 1, auditdata: [row] });
  });

  test.each<[json: object, message: string]>([
    [{ recipient: null }, "ERR905: Missing parameter: recipient"],
    [
      { recipient: "a@example.org, b@example.org" },
      "ERR905: Invalid parameter: recipient: expected one mailbox",
    ],
    [{ recipient: "a@example.org\r\nBcc: b@example.org" }, "ERR905: Invalid parameter: recipient"],
    [{ enqueue_job: "maybe" }, "ERR905: Invalid parameter: enqueue_job: expected true or false"],
  ])("is 905 for %j", async (json, message) => {
    await using instance = await testInstance();
    await save(instance);
    const response = await send(instance, json);
    expect(outcome(response)).toEqual([400, 905]);
    expect(response.error?.message).toStartWith(message);
  });

  test("sends once for an Idempotency-Key, which is not that of another route", async () => {
    await using instance = await testInstance();
    await save(instance);
    const headers = { "Idempotency-Key": "one" };
    const first = await send(instance, {}, { headers });
    const second = await send(instance, {}, { headers });
    expect(second.detail).toEqual(first.detail);
    expect(outcome(await send(instance, { enqueue_job: true }, { headers }))).toEqual([409, 409]);
    expect(instance.sent).toHaveLength(1);
  });

  test("is 405 for other methods", async () => {
    await using instance = await testInstance();
    await save(instance);
    for (const method of ["GET", "PUT", "DELETE"]) {
      const response = await instance.request(method, PATH);
      expect([outcome(response), response.headers.get("allow")]).toEqual([[405, 405], "POST"]);
    }
  });

  test("is 905 for a name that no definition can have", async () => {
    await using instance = await testInstance();
    for (const name of ["send_test_email", "a%00b", "%ff"]) {
      const response = await instance.request("POST", `/smtpserver/${name}/send_test_email`, {
        json: { recipient: RECIPIENT },
      });
      expect(outcome(response)).toEqual([400, 905]);
    }
  });
});
