import { describe, expect, test } from "bun:test";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";

const TO = { name: "", address: "user@example.net" };
const MESSAGE = { to: [TO], subject: "Your code", text: "Your code is 123456.\n" };
const SERVER = { server: "mail.example.org", sender: "me@example.org", enqueue_job: true };

const save = (instance: TestInstance, json: object = {}) =>
  instance.request("POST", "/smtpserver/a", { json: { ...SERVER, ...json } });
const drain = ({ services }: TestInstance) =>
  services.drain({
    signal: new AbortController().signal,
    endsMs: performance.now() + 10_000,
    mailMs: 1_000,
  });

describe("drain()", () => {
  test("sends what is queued, once", async () => {
    await using instance = await testInstance();
    await save(instance);
    const result = await instance.services.submit("a", MESSAGE);
    expect(result.state).toBe("queued");
    expect(instance.sent).toHaveLength(0);
    await drain(instance);
    await drain(instance);
    expect(instance.sent).toHaveLength(1);
    const { mails } = await instance.services.mailQueue.page({ page: 1, pageSize: 10 });
    expect(mails).toMatchObject([{ state: "sent", recipients: [{ state: "sent", attempts: 1 }] }]);
  });
});
