import { describe, expect, test } from "bun:test";
import { mailSendParams } from "../../src/http/mail-send-schema.ts";
import { validate } from "../../src/wire/validate.ts";
import { ADMIN, type TestInstance, testInstance } from "../fixtures/instance.ts";
import { leaf, mailExtensions, SENDER, sender } from "../fixtures/smime/authority.ts";
import { privateKey } from "../fixtures/smime/keys.ts";
import { drain, failing, page, save } from "./mail-support.ts";

const TO = "ann@example.net";
const MESSAGE = { server: "office", to: TO, subject: "Report", text: "It is attached." };
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const send = (instance: TestInstance, json: object, options: object = {}) =>
  instance.request("POST", "/mail/", { json: { ...MESSAGE, ...json }, ...options });
const batch = (instance: TestInstance, messages: readonly object[], options: object = {}) =>
  instance.request("POST", "/mail/batch", { json: { messages }, ...options });
const row = async (instance: TestInstance, { value }: { readonly value?: unknown }) => {
  // The first token has expired in tests that advance the clock by days.
  const token = await instance.logIn(ADMIN.username, ADMIN.password);
  const { id } = value as { readonly id: string };
  return (await instance.request("GET", `/mail/${id}`, { token })).value as Record<string, unknown>;
};

async function started() {
  const instance = await testInstance();
  await save(instance);
  return instance;
}

describe("POST /mail/", () => {
  test("queues a message, which arrives with copies, attachments and headers", async () => {
    await using instance = await started();
    const response = await send(instance, {
      to: ["Ann <ann@example.net>", { name: "Bob", address: "bob@example.net" }],
      cc: "team@example.net",
      bcc: ["archive@example.net"],
      reply_to: { address: "help@example.net" },
      html: '<img src="cid:logo" alt="">',
      attachments: [
        { filename: "a.txt", content: btoa("attached") },
        { filename: "logo.png", content: btoa("png"), content_id: "logo", content_type: "image/png" },
      ],
      headers: { "X-Report": "7", "List-Unsubscribe": "<https://example.org/u>" },
    });
    expect(response.status).toBe(200);
    expect(response.value).toEqual({ id: expect.stringMatching(UUID), state: "queued" });
    expect(response.detail).toEqual({});
    await drain(instance);
    const recipients = ["ann@example.net", "bob@example.net", "team@example.net", "archive@example.net"];
    expect(instance.sent.map(({ recipient }) => recipient)).toEqual(recipients);
    const bytes = new TextDecoder().decode(instance.sent[0]?.bytes);
    expect(bytes).toMatch(/^To: Ann <ann@example.net>, Bob <bob@example.net>\r$/m);
    expect(bytes).toMatch(/^Reply-To: help@example.net\r$/m);
    expect(bytes).toMatch(/^X-Report: 7\r$/m);
    expect(bytes).not.toContain("archive@example.net");
    expect(bytes).toContain(btoa("attached"));
    expect(await row(instance, response)).toMatchObject({ state: "sent", identifier: "office" });
  });

  test("puts a fragment of HTML into a document of its language", async () => {
    await using instance = await started();
    const html = "<p>Hallo</p>";
    for (const language of ["de-CH", undefined, ""]) await send(instance, { html, language });
    await drain(instance);
    const texts = instance.sent.map(({ bytes }) => new TextDecoder().decode(bytes));
    expect(texts.map((text) => /<html lang="(.*)">/.exec(text)?.[1])).toEqual(["de-CH", "en", "en"]);
    expect((await send(instance, { html, language: 'de"' })).error).toMatchObject({
      message: "ERR905: Invalid parameter: language: expected a language tag such as en",
    });
  });

  test("a body without a language has none for its Idempotency-Key", () => {
    const parsed = (given: object) =>
      validate(mailSendParams, new Map<string, unknown>(Object.entries(given)));
    const body = { to: TO, html: "<p>Hello</p>" };
    expect(Object.keys(parsed(body))).not.toContain("language");
    expect(JSON.stringify(parsed({ ...body, language: "" }))).toBe(JSON.stringify(parsed(body)));
  });

  test("takes a form, and sends through the definition default", async () => {
    await using instance = await started();
    const form = { to: TO, subject: "Report", text: "Hello" };
    expect((await instance.request("POST", "/mail", { form })).error).toMatchObject({
      message: "ERR905: Invalid parameter: server: no definition is named default",
    });
    await save(instance, "default");
    const response = await instance.request("POST", "/mail", { form });
    expect(response.value).toMatchObject({ state: "queued" });
    expect(await row(instance, response)).toMatchObject({ identifier: "default" });
  });

  test("sends while the caller waits with queue=false, and keeps a row with the attempt", async () => {
    await using instance = await started();
    const response = await send(instance, { queue: false });
    expect(response.value).toEqual({ id: expect.stringMatching(UUID), state: "sent" });
    expect(response.detail).toMatchObject({ delivery: { outcome: "sent", accepted: [TO] } });
    expect(instance.sent).toHaveLength(1);
    expect(await row(instance, response)).toMatchObject({
      state: "sent",
      sender: "me@example.org",
      recipients: [{ address: TO, state: "sent", attempts: 1, next_try: null }],
      attempts: [{ recipient: TO, outcome: "sent", decision: "ended", identifier: "office" }],
    });
    expect((await page(instance)).mails).toHaveLength(1);
  });

  test("reports why a message failed, and keeps a row of it", async () => {
    const { instance, transport } = await failing();
    await using _ = instance;
    transport.fail({ phase: "recipient", code: "recipient_rejected" });
    const response = await send(instance, { queue: false });
    expect([response.status, response.value]).toEqual([
      200,
      { id: expect.stringMatching(UUID), state: "failed" },
    ]);
    expect(response.detail).toMatchObject({
      delivery: { code: "recipient_rejected", outcome: "not-sent", hint: expect.any(String) },
    });
    expect(await row(instance, response)).toMatchObject({
      state: "failed",
      recipients: [{ state: "failed", failure: { phase: "recipient", code: "recipient_rejected" } }],
    });
    const retried = await instance.request("POST", `/mail/${(response.value as { id: string }).id}/retry`);
    expect(retried.status).toBe(409);
  });

  test.each([
    [{ to: undefined }, "to"],
    [{ to: "ann" }, "to"],
    [{ to: Array.from({ length: 51 }, (_, index) => `u${index}@example.net`) }, "to"],
    [{ cc: [{ name: "Ann" }] }, "cc"],
    [{ reply_to: "a, b" }, "reply_to"],
    [{ text: undefined }, "text"],
    [{ subject: "a\nb" }, "subject"],
    [{ server: "absent" }, "server"],
    [{ server: ["office", "absent"] }, "server"],
    [{ from: "ceo@example.org" }, "from"],
    [{ headers: { Bcc: "x@example.net" } }, "headers"],
    [{ headers: { "Message-ID": "<1@example.org>" } }, "headers"],
    [{ headers: { "X-A": "a\r\nBcc: x@example.net" } }, "headers"],
    [{ headers: { "X-A": "1", "x-a": "2" } }, "headers.x-a"],
    [{ attachments: [{ content: "%%%" }] }, "attachments"],
    [{ attachments: [{ content: "YQ==", content_type: "multipart/mixed" }] }, "attachments.0.content_type"],
    [{ purpose: "spam" }, "purpose"],
    [{ queue: false, to: Array.from({ length: 6 }, (_, index) => `u${index}@example.net`) }, "queue"],
    [{ queue: false, send_at: "2026-06-01T13:00:00Z" }, "queue"],
    [{ send_at: "tomorrow" }, "send_at"],
    [{ send_at: "2026-06-01T11:00:00Z" }, "send_at"],
    [{ send_at: "2026-07-02T12:00:00Z" }, "send_at"],
    [{ expires_at: "2026-06-01T12:00:00Z" }, "expires_at"],
    [{ send_at: "2026-06-01T13:00:00Z", expires_at: "2026-06-01T13:00:00Z" }, "expires_at"],
    [{ text: "a\u0000b" }, "text"],
    [{ to: [{ name: "a\u0000", address: TO }] }, "to"],
  ])("rejects %p, and stores nothing", async (json, parameter) => {
    await using instance = await started();
    const { status, error } = await send(instance, json);
    expect([status, error?.code]).toEqual([400, 905]);
    expect(error?.message).toMatch(new RegExp(`: ${parameter}(:|$)`));
    expect((await page(instance)).count).toBe(0);
    expect(instance.sent).toEqual([]);
  });

  test("accepts attachments of 10 MiB, and names the limit for more", async () => {
    await using instance = await started();
    const attachments = (octets: number) => [
      { filename: "a.bin", content: new Uint8Array(octets).toBase64() },
    ];
    const limit = 10 * 1024 * 1024;
    expect((await send(instance, { attachments: attachments(limit) })).value).toMatchObject({
      state: "queued",
    });
    const over = await send(instance, { attachments: attachments(limit + 1) });
    expect([over.status, over.error?.message]).toEqual([
      413,
      "The attachments are larger than 10 MiB together",
    ]);
    const huge = await send(instance, { text: "x".repeat(15 * 1024 * 1024) });
    expect([huge.status, huge.error?.code]).toEqual([413, 413]);
    const elsewhere = await instance.request("POST", "/policy/all", {
      json: { action: "x".repeat(300_000) },
    });
    expect(elsewhere.status).toBe(413);
  });

  test("holds a message back until send_at, and not after expires_at", async () => {
    await using instance = await started();
    const later = await send(instance, { send_at: "2026-06-03T12:00:00Z" });
    const expiring = await send(instance, {
      send_at: "2026-06-01T13:00:00+00:00",
      expires_at: "2026-06-01T13:00:01Z",
    });
    expect(later.value).toMatchObject({ state: "queued" });
    await drain(instance);
    expect(instance.sent).toHaveLength(0);
    expect(await row(instance, later)).toMatchObject({
      state: "queued",
      next_try: "2026-06-03T12:00:00.000Z",
    });
    instance.clock.advance(2 * 86_400 - 1);
    await drain(instance);
    expect(instance.sent).toHaveLength(0);
    expect(await row(instance, expiring)).toMatchObject({ state: "expired" });
    instance.clock.advance(1);
    await drain(instance);
    expect(instance.sent).toHaveLength(1);
    expect(await row(instance, later)).toMatchObject({ state: "sent" });
  });

  test("sends as another address only if the definition's certificate names it", async () => {
    await using instance = await started();
    const { key, certificate, intermediate } = await sender("p256");
    const chain = certificate + intermediate.certificate;
    await save(instance, "signing", { sender: SENDER, smime: true, private_key: key, certificate: chain });
    const from = `Ceo <${SENDER.toUpperCase()}>`;
    expect((await send(instance, { server: "signing", from })).value).toMatchObject({ state: "queued" });
    const other = await send(instance, { server: "signing", from: "other@example.org" });
    expect(other.error?.message).toStartWith(
      "ERR905: Invalid parameter: from: expected the sender of signing",
    );
    await drain(instance);
    expect(instance.sent).toHaveLength(1);
  });

  test("does not send as an address that only a later certificate names", async () => {
    await using instance = await started();
    const key = await privateKey("p256");
    const certificateFor = (addresses: string) =>
      leaf({ key, extensions: mailExtensions("subjectAltName", addresses) });
    const signed = { sender: SENDER, smime: true, certificate: await certificateFor(`email:${SENDER}`) };
    await save(instance, "signing", { ...signed, private_key: key });
    const certificate = await certificateFor(`email:${SENDER},email:ceo@example.org`);
    await save(instance, "signing", { ...signed, certificate });
    const sent = await send(instance, { server: "signing", from: "ceo@example.org" });
    expect(sent.error?.message).toStartWith(
      "ERR905: Invalid parameter: from: expected the sender of signing",
    );
  });

  test("with smime_encrypt, sends nothing to a recipient without a certificate", async () => {
    await using instance = await started();
    const response = await send(instance, { smime_encrypt: true, queue: false });
    expect(response.value).toMatchObject({ state: "failed" });
    expect(response.detail).toMatchObject({ delivery: { code: "encrypt_no_certificate", phase: "encrypt" } });
    const queued = await send(instance, { smime_encrypt: true });
    expect(queued.value).toMatchObject({ state: "failed" });
    expect(await row(instance, queued)).toMatchObject({ state: "failed" });
    expect(instance.sent).toEqual([]);
  });

  test("a repetition with the same Idempotency-Key gets the first response", async () => {
    await using instance = await started();
    const headers = { "Idempotency-Key": "report-7" };
    const first = await send(instance, {}, { headers });
    expect((await send(instance, {}, { headers })).value).toEqual(first.value);
    expect((await send(instance, { text: "other" }, { headers })).status).toBe(409);
    const inline = { headers: { "Idempotency-Key": "report-8" } };
    const sent = await send(instance, { queue: false }, inline);
    expect((await send(instance, { queue: false }, inline)).value).toEqual(sent.value);
    await drain(instance);
    expect(instance.sent).toHaveLength(2);
  });

  test("an API key for one definition sends through it alone", async () => {
    await using instance = await started();
    await save(instance, "other");
    const json = { name: "reports", rights: "mail_send", servers: "office" };
    const { value } = await instance.request("POST", "/apikey/", { json });
    const token = (value as { key: string }).key;
    expect((await send(instance, {}, { token })).value).toMatchObject({ state: "queued" });
    for (const server of ["other", ["office", "other"]]) {
      const denied = await send(instance, { server }, { token });
      expect([denied.status, denied.error?.code]).toEqual([403, 303]);
    }
    const mixed = await batch(instance, [MESSAGE, { ...MESSAGE, server: "other" }], { token });
    expect(mixed.value).toMatchObject([{ state: "queued" }, { error: { code: 303 } }]);
    expect((await instance.request("GET", "/mail/", { token })).status).toBe(403);
  });
});

describe("POST /mail/batch", () => {
  test("queues messages in order, and has the error of a bad one in its place", async () => {
    await using instance = await started();
    const { status, value } = await batch(instance, [
      MESSAGE,
      { ...MESSAGE, to: "nobody" },
      { ...MESSAGE, server: "absent" },
      { ...MESSAGE, queue: false },
      { ...MESSAGE, to: "bob@example.net" },
    ]);
    expect(status).toBe(200);
    expect(value).toMatchObject([
      { id: expect.stringMatching(UUID), state: "queued" },
      { error: { code: 905, parameter: "to" } },
      { error: { code: 905, parameter: "server" } },
      { error: { code: 905, parameter: "queue" } },
      { id: expect.stringMatching(UUID), state: "queued" },
    ]);
    await drain(instance);
    expect(instance.sent.map(({ recipient }) => recipient).toSorted()).toEqual([TO, "bob@example.net"]);
  });

  test("has a server that is named twice once", async () => {
    await using instance = await started();
    const server = ["office", "office"];
    const { value } = await batch(instance, [{ ...MESSAGE, server }]);
    const [one] = value as readonly unknown[];
    expect(await row(instance, { value: one })).toMatchObject({ identifier: "office", alternatives: [] });
  });

  test("has at most 100 messages", async () => {
    await using instance = await started();
    const many = (count: number) => Array.from({ length: count }, () => MESSAGE);
    expect((await batch(instance, many(101))).status).toBe(413);
    expect((await page(instance)).count).toBe(0);
    expect((await batch(instance, many(100))).value).toHaveLength(100);
    expect((await page(instance)).count).toBe(100);
  });

  test("keys of the whole and of single messages are each used once", async () => {
    await using instance = await started();
    const headers = { "Idempotency-Key": "batch-1" };
    const messages = [MESSAGE, { ...MESSAGE, idempotency_key: "one" }];
    const first = await batch(instance, messages, { headers });
    expect(await batch(instance, messages, { headers })).toMatchObject({ value: first.value });
    expect((await batch(instance, [MESSAGE], { headers })).status).toBe(409);
    const again = await batch(instance, [
      { ...MESSAGE, idempotency_key: "one" },
      { ...MESSAGE, idempotency_key: "one", text: "other" },
      { ...MESSAGE, idempotency_key: "" },
    ]);
    const [, single] = first.value as readonly unknown[];
    expect(again.value).toMatchObject([single, { error: { code: 409 } }, { error: { code: 905 } }]);
    expect((await page(instance)).count).toBe(2);
  });

  test.each([[{}], [{ messages: [] }], [{ messages: "x" }], [{ messages: [1] }], [{ messages: [null] }]])(
    "rejects %p or returns nothing",
    async (json) => {
      await using instance = await started();
      const { status, value, error } = await instance.request("POST", "/mail/batch", { json });
      if (status === 200) expect(value).toEqual([]);
      else expect(error?.message).toContain("messages");
    },
  );
});
