import { describe, expect, test } from "bun:test";
import PostalMime from "postal-mime";
import type { Transport } from "../../src/contracts/transport.ts";
import { type Failure, notSent, unknownOutcome } from "../../src/domain/delivery.ts";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import { failed } from "../fixtures/receipts.ts";
import type { TestResponse } from "../fixtures/request.ts";
import { SENDER } from "../fixtures/smime/authority.ts";

const CENSORED = "__CENSORED__";
const TEST = { server: "mail.example.org", recipient: "user@example.net", sender: SENDER };

/** `detail.server` if the transport reports nothing. */
const NOTHING_SHOWN = {
  ...{ greeting: null, extensions: { clear: [], tls: [] }, mechanisms: [] },
  ...{ size: null, tls: null, addresses: null },
};

const send = (instance: TestInstance, json: object) =>
  instance.request("POST", "/smtpserver/send_test_email", { json: { ...TEST, ...json } });
const save = (instance: TestInstance, json: object, identifier = "a") =>
  instance.request("POST", `/smtpserver/${identifier}`, {
    json: { server: TEST.server, sender: SENDER, ...json },
  });
const outcome = ({ status, value, error }: TestResponse) => (error ? [status, error.code] : [status, value]);
const mail = (instance: TestInstance) => instance.sent[0]?.bytes ?? new Uint8Array();

/** A transport on which every delivery fails this way. */
function failing(failure: Failure): Transport {
  return {
    name: "failing",
    send: async () => ({ ...failed(failure), timingMs: { dns: 0.123, connect: 1.26 } }),
    [Symbol.asyncDispose]: async () => undefined,
  };
}
/** What saving reports of a username without TLS. */
const CLEAR_TEXT = {
  warnings: [expect.stringContaining("clear text")],
  notices: [{ code: "clear_text", parameter: "tls" }],
};

describe("POST /smtpserver/send_test_email", () => {
  test("sends a real message through an unsaved definition", async () => {
    await using instance = await testInstance();
    const response = await send(instance, {
      identifier: "office",
      port: 2_525,
      username: "u",
      password: "p",
      timeout: 7,
    });
    expect(outcome(response)).toEqual([200, true]);
    expect(response.detail).toEqual({
      delivery: {
        ...{
          phase: null,
          code: null,
          retryable: false,
          outcome: "sent",
          hint: null,
          hints: [],
          timing_ms: {},
          tls: null,
        },
        reply: { code: 250, enhanced: "2.0.0", text: "Kept" },
        ...{ accepted: ["user@example.net"], rejected: [], round_trips: 0, reached: null },
      },
      server: NOTHING_SHOWN,
      ...CLEAR_TEXT,
    });
    const [delivery] = instance.sent;
    expect(instance.sent).toHaveLength(1);
    expect(delivery).toMatchObject({ from: SENDER, recipient: "user@example.net", poolKey: null });
    expect(delivery?.server).toMatchObject({
      host: "mail.example.org",
      port: 2_525,
      security: "none",
      username: "u",
    });
    expect(delivery?.server.timeoutMs).toBe(7_000);
    expect(delivery?.server.password.reveal()).toBe("p");
    expect((await instance.request("GET", "/smtpserver/")).value).toEqual({});
  });

  test("is marked as a test, and names the definition", async () => {
    await using instance = await testInstance();
    await send(instance, { identifier: "Büro 1", sender: '"One, Some" <one@example.org>' });
    const read = await PostalMime.parse(mail(instance));
    expect(read.subject).toBe("Test Email from Sealpost");
    expect(read.text).toContain("test email from Sealpost");
    expect(read.text).toContain("The configuration Büro 1 works.");
    expect(read.from).toMatchObject({ name: "One, Some", address: "one@example.org" });
    expect(read.to).toMatchObject([{ address: "user@example.net" }]);
    expect(read.messageId).toMatch(/^<[0-9a-f]{32}@example\.org>$/);
    expect(new Date(read.date ?? 0)).toEqual(instance.clock.now);
    const names = read.headers.map(({ key }) => key);
    expect(names).not.toContain("reply-to");
    expect(names).not.toContain("bcc");
  });

  test("needs no identifier", async () => {
    await using instance = await testInstance();
    for (const identifier of [undefined, null, ""]) {
      expect(outcome(await send(instance, { identifier }))).toEqual([200, true]);
    }
  });

  test.each<[change: object, message: string]>([
    [{ recipient: "" }, "ERR905: Missing parameter: recipient"],
    [{ server: null }, "ERR905: Missing parameter: server"],
    [{ recipient: "a@example.org, b@example.org" }, "ERR905: Invalid parameter: recipient"],
    [{ recipient: "a@example.org\r\nBcc: b@example.org" }, "ERR905: Invalid parameter: recipient"],
    [{ recipient: ["a@example.org"] }, "ERR905: Invalid parameter: recipient"],
    [{ identifier: "send_test_email" }, "ERR905: Invalid parameter: identifier"],
    [{ password: CENSORED }, "ERR905: Invalid parameter: password"],
    [{ identifier: "none", private_key: CENSORED }, "ERR905: Invalid parameter: private_key"],
  ])("rejects %j", async (change, message) => {
    await using instance = await testInstance();
    const response = await send(instance, change);
    expect(outcome(response)).toEqual([400, 905]);
    expect(response.error?.message).toStartWith(message);
    expect(instance.sent).toEqual([]);
  });

  test("with enqueue_job returns true once the message is stored, and sends it later unchanged", async () => {
    await using instance = await testInstance();
    const json = { enqueue_job: true, identifier: "office", port: 2_525, username: "u", password: "p" };
    const { value, detail } = await send(instance, json);
    expect(value).toBe(true);
    expect(detail).toEqual({
      delivery: {
        ...{ phase: null, code: null, retryable: false, outcome: null, reply: null, hint: null, hints: [] },
        ...{ timing_ms: {}, tls: null, accepted: [], rejected: [], round_trips: null, reached: null },
      },
      queued: true,
      mail_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      ...CLEAR_TEXT,
    });
    expect(instance.sent).toEqual([]);
    const signal = new AbortController().signal;
    await instance.services.drain({ signal, endsMs: performance.now() + 10_000, messageTimeoutMs: 100 });
    expect(instance.sent).toMatchObject([{ from: SENDER, recipient: "user@example.net" }]);
    expect(instance.sent[0]?.server).toMatchObject({ host: "mail.example.org", port: 2_525, username: "u" });
    expect(instance.sent[0]?.server.password.reveal()).toBe("p");
    const { value: mail } = await instance.request("GET", `/mail/${detail?.mail_id}`);
    expect(mail).toMatchObject({ state: "sent", identifier: "office", submitter: "admin admin@" });
    const { value: audit } = await instance.request("GET", "/audit/", { query: { outcome: "queued" } });
    expect(audit).toMatchObject({
      auditdata: [{ success: true, identifier: "office", info: detail?.mail_id }],
    });
  });

  test("with enqueue_job reports that nothing was queued if the message cannot be built", async () => {
    await using instance = await testInstance();
    const { value, detail } = await send(instance, { enqueue_job: true, sender: "" });
    expect([value, detail?.queued, detail?.mail_id]).toEqual([false, false, undefined]);
    expect(detail?.delivery).toMatchObject({ phase: "sender", code: "sender_missing" });
    expect((await instance.request("GET", "/mail/")).value).toMatchObject({ count: 0 });
  });

  test("uses the username as the sender if it is an address, and fails without a sender", async () => {
    await using instance = await testInstance();
    expect(outcome(await send(instance, { sender: "", username: "me@example.org" }))).toEqual([200, true]);
    expect(instance.sent[0]?.from).toBe("me@example.org");
    const { status, value, detail } = await send(instance, { sender: "", username: "me" });
    expect([status, value]).toEqual([200, false]);
    expect(detail?.delivery).toMatchObject({
      ...{
        phase: "sender",
        code: "sender_missing",
        outcome: "not-sent",
        retryable: false,
        reply: null,
        timing_ms: {},
      },
      ...{ accepted: [], rejected: [], hint: expect.stringContaining("sender") },
    });
  });

  test("that fails returns 200 and false, with all details", async () => {
    const reply = { code: 550, enhanced: "5.1.1", text: "No such user" };
    const failure = notSent("recipient", "recipient_rejected", reply);
    await using instance = await testInstance({ transport: failing(failure) });
    const { status, value, detail } = await send(instance, {});
    expect([status, value]).toEqual([200, false]);
    expect(detail).toEqual({
      delivery: {
        ...{
          phase: "recipient",
          code: "recipient_rejected",
          retryable: false,
          outcome: "not-sent",
          reply,
          tls: null,
        },
        ...{ timing_ms: { dns: 0.1, connect: 1.3 }, accepted: [] },
        rejected: [{ recipient: "user@example.net", reply, retryable: false }],
        hint: "The server rejected this recipient. Check the address.",
        hints: [{ code: "recipient_rejected", values: {} }],
        remedy: { parameter: "recipient", value: null },
        ...{ round_trips: 0, reached: null },
      },
      server: NOTHING_SHOWN,
    });
  });

  test("whose transport throws returns 500 without details", async () => {
    const transport: Transport = {
      ...failing(unknownOutcome("closed")),
    };
    await using instance = await testInstance({
      transport: { ...transport, send: () => Promise.reject(new Error("secret reason")) },
    });
    const { status, error, text } = await send(instance, {});
    expect([status, error?.code]).toEqual([500, -500]);
    expect(text).not.toContain("secret reason");
  });
});

describe("__CENSORED__ in a test", () => {
  const STORED = { port: 587, username: "user", password: "hunter2", tls: true };
  const { password: _, ...SAME } = STORED;

  test.each<[name: string, change: object, borrows: boolean]>([
    ["the same place", {}, true],
    ["the same host in other letters", { server: "Mail.EXAMPLE.org." }, true],
    ["implicit TLS on the same port", { server: "smtps://mail.example.org:587" }, true],
    ["another sender and recipient", { sender: "x@example.org", recipient: "y@example.org" }, true],
    ["another host", { server: "evil.example.net" }, false],
    ["another port", { port: 588 }, false],
    ["another user", { username: "other" }, false],
    ["no TLS", { tls: false }, false],
    ["another identifier", { identifier: "b" }, false],
    ["no identifier", { identifier: "" }, false],
  ])("uses the stored password for %s, or gets 905", async (_name, change, usesStored) => {
    await using instance = await testInstance();
    await save(instance, STORED);
    const response = await send(instance, { ...SAME, identifier: "a", password: CENSORED, ...change });
    expect(outcome(response)).toEqual(usesStored ? [200, true] : [400, 905]);
    expect(instance.sent.map(({ server }) => server.password.reveal())).toEqual(
      usesStored ? ["hunter2"] : [],
    );
  });

  test("alone uses the stored password: absent, null and empty mean no password", async () => {
    await using instance = await testInstance();
    await save(instance, STORED);
    for (const password of [undefined, null, ""])
      await send(instance, { ...SAME, identifier: "a", password });
    expect(instance.sent.map(({ server }) => server.password.reveal())).toEqual(["", "", ""]);
  });
});
