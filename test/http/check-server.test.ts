import { describe, expect, test } from "bun:test";
import { CHECKPOINTS, NOTHING_SEEN, notSent, unknownOutcome } from "../../src/domain/delivery.ts";
import { createMemoryTransport } from "../../src/transport/memory.ts";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import type { RequestOptions, TestResponse } from "../fixtures/request.ts";
import { createRichTransport } from "../fixtures/rich-transport.ts";
import { sender } from "../fixtures/smime/authority.ts";

const SERVER = { server: "mail.example.org", username: "me@example.org", password: "p", tls: true };
const RECIPIENT = "user@example.net";
const UNSAVED = "/smtpserver/send_test_email";
const STORED = "/smtpserver/office/send_test_email";

const saved = (instance: TestInstance, json: object = {}) =>
  instance.request("POST", "/smtpserver/office", { json: { ...SERVER, ...json } });
const check = (instance: TestInstance, path: string, json: object, options: RequestOptions = {}) =>
  instance.request("POST", path, {
    json: path === UNSAVED ? { ...SERVER, identifier: "office", ...json } : json,
    ...options,
  });
const outcome = ({ status, value, error }: TestResponse) => (error ? [status, error.code] : [status, value]);
const auditRows = async (instance: TestInstance) => {
  const { value } = await instance.request("GET", "/audit/", { query: { action: "*send_test_email" } });
  return (value as { auditdata: Record<string, unknown>[] }).auditdata;
};
const health = async (instance: TestInstance) =>
  (await instance.request("GET", "/smtpserver/office")).detail?.health;

describe.each([UNSAVED, STORED])("POST %s with until", (path) => {
  test.each(CHECKPOINTS.filter((point) => point !== "oauth"))(
    "%s reaches the checkpoint, and sends, queues and stores nothing",
    async (until) => {
      const transport = createMemoryTransport();
      await using instance = await testInstance({ transport });
      await saved(instance);
      const response = await check(instance, path, { until, recipient: RECIPIENT, enqueue_job: true });
      expect(outcome(response)).toEqual([200, true]);
      expect(response.detail?.delivery).toMatchObject({
        ...{ outcome: "not-sent", reached: until, phase: null, code: null, retryable: false, hint: null },
        ...{ accepted: [], rejected: [], round_trips: 0 },
      });
      expect(response.detail).not.toHaveProperty("queued");
      expect(transport.sent).toEqual([]);
      expect((await instance.request("GET", "/mail/")).value).toMatchObject({ count: 0 });
    },
  );

  test("writes one audit row that names the check", async () => {
    await using instance = await testInstance();
    await saved(instance);
    await check(instance, path, { until: "auth", recipient: RECIPIENT });
    await check(instance, path, { until: "recipient", recipient: RECIPIENT });
    const row = { success: true, identifier: "office", outcome: "not-sent", phase: "" };
    expect(await auditRows(instance)).toMatchObject([
      { ...row, recipient: RECIPIENT, info: "check until recipient" },
      { ...row, recipient: "", info: "check until auth" },
    ]);
  });

  test("is false if the checkpoint is not reached, with the reason and a hint", async () => {
    const transport = createRichTransport();
    await using instance = await testInstance({ transport });
    await saved(instance);
    const reply = { code: 535, enhanced: "5.7.8", text: "Authentication failed" };
    transport.fail(notSent("auth", "auth_rejected", reply));
    const { status, value, detail } = await check(instance, path, { until: "sender" });
    expect([status, value]).toEqual([200, false]);
    expect(detail?.delivery).toMatchObject({
      ...{ phase: "auth", code: "auth_rejected", outcome: "not-sent", reply, reached: null },
      ...{ hint: expect.any(String), accepted: [], rejected: [], round_trips: 6 },
    });
    expect(detail?.server).toMatchObject({ greeting: "mail.example.org ESMTP ready" });
    expect(await auditRows(instance)).toMatchObject([
      { success: false, outcome: "not-sent", phase: "auth", info: "auth_rejected; check until sender" },
    ]);
  });

  test("names a recipient that the server rejects", async () => {
    const transport = createRichTransport();
    await using instance = await testInstance({ transport });
    await saved(instance);
    const reply = { code: 550, enhanced: "5.1.1", text: "No such user" };
    transport.fail(notSent("recipient", "recipient_rejected", reply));
    const { detail } = await check(instance, path, { until: "recipient", recipient: RECIPIENT });
    expect(detail?.delivery).toMatchObject({
      rejected: [{ recipient: RECIPIENT, reply, retryable: false }],
      outcome: "not-sent",
    });
  });

  test("never has an unknown outcome, regardless of the transport", async () => {
    const transport = createRichTransport();
    await using instance = await testInstance({ transport });
    await saved(instance);
    transport.fail(unknownOutcome("closed"));
    const { detail } = await check(instance, path, { until: "auth" });
    expect(detail?.delivery).toMatchObject({ outcome: "not-sent", code: "closed" });
  });

  test("needs a recipient only for the checkpoint recipient and for a message", async () => {
    await using instance = await testInstance();
    await saved(instance);
    for (const until of ["connect", "tls", "auth", "sender"]) {
      for (const recipient of [undefined, null, ""]) {
        expect(outcome(await check(instance, path, { until, recipient }))).toEqual([200, true]);
      }
    }
    for (const until of ["recipient", undefined, null, ""]) {
      const response = await check(instance, path, { until });
      expect([outcome(response), response.error?.message]).toEqual([
        [400, 905],
        "ERR905: Missing parameter: recipient",
      ]);
    }
  });

  test.each([["token"], ["data"], ["AUTH"], [true], [["auth"]]])("is 905 for %p", async (until) => {
    await using instance = await testInstance();
    await saved(instance);
    const response = await check(instance, path, { until, recipient: RECIPIENT });
    expect(outcome(response)).toEqual([400, 905]);
    expect(response.error?.message).toBe(
      "ERR905: Invalid parameter: until: expected one of oauth, connect, tls, auth, sender, recipient",
    );
  });

  test("uses the definition's sender, and fails like a message without one", async () => {
    const transport = createRichTransport();
    await using instance = await testInstance({ transport });
    await saved(instance);
    await check(instance, path, { until: "sender" });
    expect(transport.calls.map(({ delivery }) => delivery.from)).toEqual(["me@example.org"]);
    await saved(instance, { username: "me" });
    const nameless = { username: "me" };
    const { value, detail } = await check(instance, path, { until: "sender", ...nameless });
    expect([value, detail?.delivery]).toMatchObject([
      false,
      { phase: "sender", code: "sender_missing", outcome: "not-sent", round_trips: 0 },
    ]);
    expect(detail).not.toHaveProperty("server");
    expect(outcome(await check(instance, path, { until: "auth", ...nameless }))).toEqual([200, true]);
    expect(transport.calls).toHaveLength(2);
  });

  test("passes the checkpoint and no message to the transport", async () => {
    const transport = createRichTransport();
    await using instance = await testInstance({ transport });
    const { key, certificate } = await sender("rsa");
    await saved(instance, { smime: true, private_key: key, certificate, sender: "one@example.org" });
    await check(instance, path, { until: "recipient", recipient: `Some One <${RECIPIENT}>` });
    const [call] = transport.calls;
    expect(transport.calls).toHaveLength(1);
    expect(call?.options.until).toBe("recipient");
    expect(call?.delivery.recipient).toBe(RECIPIENT);
    expect(call?.delivery.bytes.length).toBeLessThan(3);
    expect(call?.delivery.server).toMatchObject({ host: "mail.example.org", security: "starttls" });
  });

  test("ignores an Idempotency-Key: every check connects to the server", async () => {
    const transport = createRichTransport();
    await using instance = await testInstance({ transport });
    await saved(instance);
    const headers = { "Idempotency-Key": "one" };
    for (const until of ["connect", "auth", "auth"]) {
      expect(outcome(await check(instance, path, { until }, { headers }))).toEqual([200, true]);
    }
    expect(transport.calls).toHaveLength(3);
    const whole = await check(instance, path, { recipient: RECIPIENT }, { headers });
    expect(outcome(whole)).toEqual([200, true]);
  });

  test("needs the right smtpserver_write", async () => {
    await using instance = await testInstance();
    await saved(instance);
    await instance.request("POST", "/policy/root", { json: { scope: "admin", action: "*" } });
    const action = "smtpserver_read,policywrite";
    await instance.request("POST", "/policy/reader", { json: { scope: "admin", action } });
    await instance.request("POST", "/policy/disable/root", {});
    const response = await check(instance, path, { until: "connect" });
    expect(outcome(response)).toEqual([403, 303]);
  });

  test("may be sent as a form", async () => {
    await using instance = await testInstance();
    await saved(instance);
    const form = { ...(path === UNSAVED ? { server: SERVER.server } : {}), until: "connect", recipient: "" };
    expect(outcome(await instance.request("POST", path, { form }))).toEqual([200, true]);
  });
});

describe("the circuit of a stored definition", () => {
  const REFUSED = notSent("connect", "refused");

  test("is opened by checks that fail before MAIL", async () => {
    const transport = createRichTransport();
    await using instance = await testInstance({ transport });
    await saved(instance);
    transport.fail(REFUSED);
    for (let i = 0; i < 5; i++) await check(instance, STORED, { until: "connect" });
    expect(await health(instance)).toMatchObject({ circuit: "open", failures: 5 });
  });

  test.each([
    ["connect", 1],
    ["tls", 1],
    ["auth", 0],
    ["sender", 0],
  ])(
    "after a check until %s counts %p failures in a row, because only a login proves success",
    async (until, failures) => {
      const transport = createRichTransport();
      await using instance = await testInstance({ transport });
      await saved(instance);
      transport.fail(notSent("auth", "auth_rejected"));
      await check(instance, STORED, { until: "auth" });
      transport.fail(null);
      await check(instance, STORED, { until });
      expect(await health(instance)).toMatchObject({ failures });
    },
  );

  test("is healthy after a check of a definition without username reached its last step", async () => {
    const transport = createRichTransport();
    await using instance = await testInstance({ transport });
    await saved(instance, { username: "", password: "", tls: false });
    transport.fail(REFUSED);
    await check(instance, STORED, { until: "connect" });
    transport.fail(null);
    await check(instance, STORED, { until: "connect" });
    expect(await health(instance)).toMatchObject({ failures: 0 });
  });

  test("is closed by a check of an instance that has not seen the failures", async () => {
    const transport = createRichTransport();
    await using instance = await testInstance({ transport });
    await saved(instance);
    transport.fail(REFUSED);
    for (let i = 0; i < 5; i++) await check(instance, STORED, { until: "connect" });
    transport.fail(null);
    await using other = await testInstance({ transport, database: instance.database });
    await check(other, STORED, { until: "auth" });
    expect(await health(instance)).toMatchObject({ circuit: "closed", failures: 0 });
  });

  test("is not changed by a check of an unsaved definition of the same name", async () => {
    const transport = createRichTransport();
    await using instance = await testInstance({ transport });
    await saved(instance);
    transport.fail(REFUSED);
    await check(instance, UNSAVED, { until: "connect" });
    expect(await health(instance)).toMatchObject({ failures: 0 });
  });
});

describe("detail.server", () => {
  const SHOWN = {
    greeting: "mail.example.org ESMTP ready",
    extensions: { clear: ["STARTTLS", "SIZE 1000000"], tls: ["AUTH PLAIN LOGIN", "SIZE 1000000"] },
    mechanisms: ["PLAIN", "LOGIN"],
    size: 1_000_000,
    tls: {
      protocol: "TLSv1.3",
      chain: [
        { subject: "CN=mail.example.org", issuer: "CN=Authority", not_after: "2026-07-01T00:00:00.000Z" },
        { subject: "CN=Authority", issuer: "CN=Authority", not_after: null },
      ],
      days_left: 29,
    },
    addresses: [
      { address: "2001:db8::1", result: "timeout", ms: 250 },
      { address: "192.0.2.1", result: "connected", ms: 12 },
    ],
  };

  test.each([UNSAVED, STORED])("of POST %s shows the same for a check and for a message", async (path) => {
    await using instance = await testInstance({ transport: createRichTransport() });
    await saved(instance);
    const checked = await check(instance, path, { until: "auth" });
    const sent = await check(instance, path, { recipient: RECIPIENT });
    expect([checked.detail?.server, sent.detail?.server]).toEqual([SHOWN, SHOWN]);
    expect([checked.detail?.delivery, sent.detail?.delivery]).toMatchObject([
      { round_trips: 6, reached: "auth", outcome: "not-sent" },
      { round_trips: 6, reached: null, outcome: "sent" },
    ]);
  });

  test("is the same in the repeated response of an Idempotency-Key", async () => {
    await using instance = await testInstance({ transport: createRichTransport() });
    await saved(instance);
    const headers = { "Idempotency-Key": "one" };
    for (let i = 0; i < 2; i++) {
      const { detail } = await check(instance, STORED, { recipient: RECIPIENT }, { headers });
      expect(detail?.server).toEqual(SHOWN);
    }
  });

  test("shows the chain of a certificate that was rejected", async () => {
    const transport = createRichTransport();
    const chain = [{ subject: "CN=a", issuer: "CN=b", notAfter: null }];
    await using instance = await testInstance({
      transport: {
        ...transport,
        send: async () => ({
          ...{ successful: false, failure: notSent("certificate", "cert_untrusted"), timingMs: {} },
          ...{ tls: null, roundTrips: 4, seen: { ...NOTHING_SEEN, chain } },
        }),
      },
    });
    const { detail } = await check(instance, UNSAVED, { until: "tls" });
    expect(detail?.server).toMatchObject({
      tls: { protocol: null, chain: [{ subject: "CN=a", issuer: "CN=b", not_after: null }], days_left: null },
    });
  });

  test("a test of an unsaved definition asks for the chain of a rejected certificate, and each check does", async () => {
    const transport = createRichTransport();
    await using instance = await testInstance({ transport });
    await saved(instance);
    await check(instance, UNSAVED, { recipient: RECIPIENT });
    await check(instance, UNSAVED, { until: "tls" });
    await check(instance, STORED, { until: "tls" });
    await check(instance, STORED, { recipient: RECIPIENT });
    const asked = transport.calls.map(({ options }) => options.showsRejectedChain);
    expect(asked).toEqual([true, true, true, false]);
  });

  test("is absent for a queued message", async () => {
    await using instance = await testInstance({ transport: createRichTransport() });
    await saved(instance);
    const { detail } = await check(instance, UNSAVED, { recipient: RECIPIENT, enqueue_job: true });
    expect(detail).not.toHaveProperty("server");
    expect(detail?.delivery).toMatchObject({ round_trips: null, outcome: null });
  });

  test("is absent for a denied target, regardless of the transport's report", async () => {
    const transport = createRichTransport();
    await using instance = await testInstance({ transport });
    transport.fail(notSent("policy", "egress_denied"));
    const checked = await check(instance, UNSAVED, { until: "connect" });
    const sent = await check(instance, UNSAVED, { recipient: RECIPIENT });
    for (const { value, detail } of [checked, sent]) {
      expect(value).toBe(false);
      expect(detail).not.toHaveProperty("server");
      expect(detail?.delivery).toMatchObject({
        code: "egress_denied",
        timing_ms: {},
        tls: null,
        round_trips: 0,
      });
    }
  });

  test("omits a denied address among others", async () => {
    const addresses = [
      { address: "10.0.0.1", result: "egress_denied", ms: 0 },
      { address: "192.0.2.1", result: "connected", ms: 1 },
    ] as const;
    const transport = createRichTransport({ ...NOTHING_SEEN, addresses });
    await using instance = await testInstance({ transport });
    const { detail } = await check(instance, UNSAVED, { until: "connect" });
    expect(detail?.server).toMatchObject({
      addresses: [{ address: "192.0.2.1", result: "connected", ms: 1 }],
    });
  });
});
