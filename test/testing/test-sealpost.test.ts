import { describe, expect, test } from "bun:test";
import { type TestSealpost, testSealpost } from "../../src/testing/index.ts";

const TO = [{ name: "Ann", address: "ann@example.net" }];
const MESSAGE = { to: TO, subject: "Your code", text: "The code is 123456.\n" };

async function withMain(): Promise<TestSealpost> {
  const mail = await testSealpost();
  const saved = await mail.request("/smtpserver/main", {
    json: { server: "mail.example.org:587", sender: "App <app@example.org>", password: "hunter2" },
  });
  expect(saved.status).toBe(200);
  return mail;
}

describe("testSealpost()", () => {
  test("keeps sent messages, parsed", async () => {
    await using mail = await withMain();
    const result = await mail.submit("main", MESSAGE);
    expect(result.state).toBe("delivered");
    expect(mail.sent).toMatchObject([
      {
        server: { host: "mail.example.org", port: 587 },
        from: "app@example.org",
        recipient: "ann@example.net",
        message: {
          subject: "Your code",
          text: "The code is 123456.\n",
          from: { name: "App", address: "app@example.org" },
          to: [{ name: "Ann", address: "ann@example.net" }],
        },
      },
    ]);
    expect(new TextDecoder().decode(mail.sent[0]?.bytes)).toStartWith("From: App <app@example.org>\r\n");
  });

  test("sends test messages of the API as well", async () => {
    await using mail = await withMain();
    const json = { server: "mail.example.org", sender: "app@example.org", recipient: "ann@example.net" };
    const answer = await mail.request("/smtpserver/send_test_email", { json });
    expect(await answer.json()).toMatchObject({ result: { value: true } });
    expect(mail.sent[0]?.message.subject).toBe("Test Email from Sealpost");
  });

  test("keeps the mail of mail APIs, without a request", async () => {
    await using mail = await testSealpost();
    for (const [name, definition] of Object.entries({
      graph: { server: "graph://contoso.example", username: "box@example.org", auth: "oauth2" },
      ses: { server: "ses://eu-central-1", username: "AKIDEXAMPLE", sender: "box@example.org" },
    })) {
      await mail.request(`/smtpserver/${name}`, { json: definition });
      await mail.submit(name, { to: "user@example.net", subject: name, text: "Hello" });
    }
    expect(mail.sent.map(({ server, message }) => [server.host, message.subject])).toEqual([
      ["contoso.example", "graph"],
      ["eu-central-1", "ses"],
    ]);
  });

  test("fails the given number of deliveries, one failure after another", async () => {
    await using mail = await withMain();
    const reply = { code: 450, enhanced: "4.2.0", text: "Later" };
    mail.fail({ phase: "recipient", code: "rate_limited", times: 2, retryable: true, reply });
    mail.fail({ phase: "data", code: "closed", outcome: "unknown" });
    const results = [];
    for (let at = 0; at < 4; at++) results.push(await mail.submit("main", MESSAGE));
    const limited = { phase: "recipient", code: "rate_limited", outcome: "not-sent", retryable: true, reply };
    expect(results).toMatchObject([
      { state: "failed", failure: limited },
      { state: "failed", failure: limited },
      { state: "failed", failure: { phase: "data", code: "closed", outcome: "unknown", reply: null } },
      { state: "delivered" },
    ]);
    expect(mail.sent).toHaveLength(1);
  });

  test("has a token that is valid for an hour of the test's clock", async () => {
    await using mail = await withMain();
    mail.clock.advance({ seconds: 3_599 });
    expect((await mail.request("/smtpserver/")).status).toBe(200);
    mail.clock.advance({ seconds: 1 });
    expect((await mail.request("/smtpserver/")).status).toBe(401);
  });

  test("dates messages by the test's clock", async () => {
    await using mail = await testSealpost({ start: new Date("2031-02-03T04:05:06Z") });
    await mail.request("/smtpserver/main", {
      json: { server: "mail.example.org", sender: "app@example.org" },
    });
    mail.clock.advance({ seconds: 60 });
    await mail.submit("main", MESSAGE);
    expect(mail.sent[0]?.message.date).toBe("2031-02-03T04:06:06.000Z");
  });

  test("creates independent instances", async () => {
    await using one = await withMain();
    await using other = await testSealpost();
    await one.submit("main", MESSAGE);
    expect(other.sent).toEqual([]);
    expect((await other.request("/smtpserver/main")).status).toBe(404);
    expect((await other.app.request("/smtpserver/", { headers: { Authorization: one.token } })).status).toBe(
      401,
    );
  });
});

describe("drain()", () => {
  const CODE = { ...MESSAGE, subject: "Queued" };
  const queue = { queue: true } as const;

  test("sends queued messages, which are not sent before", async () => {
    await using mail = await withMain();
    expect((await mail.submit("main", CODE, queue)).state).toBe("queued");
    expect(mail.sent).toHaveLength(0);
    await mail.drain();
    expect(mail.sent).toMatchObject([{ recipient: "ann@example.net", message: { subject: "Queued" } }]);
    await mail.drain();
    expect(mail.sent).toHaveLength(1);
  });

  test("retries failed messages after the clock has advanced", async () => {
    await using mail = await withMain();
    await mail.submit("main", CODE, queue);
    mail.fail({ phase: "recipient", code: "rate_limited", retryable: true });
    await mail.drain();
    mail.clock.advance({ seconds: 5 });
    await mail.drain();
    expect(mail.sent).toHaveLength(1);
  });

  test("does not send messages that have expired by the test's clock", async () => {
    await using mail = await withMain();
    const expiresAt = new Date(mail.clock.now().getTime() + 60_000);
    await mail.submit("main", CODE, { ...queue, expiresAt });
    mail.clock.advance({ seconds: 61 });
    await mail.drain();
    expect(mail.sent).toHaveLength(0);
    const answer = await mail.request("/mail/");
    expect(await answer.json()).toMatchObject({ result: { value: { mails: [{ state: "expired" }] } } });
  });

  test("sends many messages", async () => {
    await using mail = await withMain();
    await Promise.all(Array.from({ length: 50 }, () => mail.submit("main", CODE, queue)));
    await mail.drain();
    expect(mail.sent).toHaveLength(50);
  });
});
