import { describe, expect, test } from "bun:test";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import type { TestResponse } from "../fixtures/request.ts";

const SERVER = { server: "mail.example.org", port: 587, username: "user", sender: "me@example.org" };
const SET = { max_connections: 2, mails_per_minute: 30, pipelining: "off", auth_mechanism: "cram-md5" };
const DEFAULTS = { max_connections: 5, mails_per_minute: 0, pipelining: "auto", auth_mechanism: "auto" };
const NAMES = Object.keys(DEFAULTS);

const save = (instance: TestInstance, json: object) =>
  instance.request("POST", "/smtpserver/a", { json: { ...SERVER, ...json } });
const outcome = ({ status, error }: TestResponse) => (error ? [status, error.code] : status);
const all = (value: unknown) => Object.fromEntries(NAMES.map((name) => [name, value]));

/** The further fields as `detail` shows them. */
async function shown(instance: TestInstance) {
  const { detail } = await instance.request("GET", "/smtpserver/a");
  const fields = { ...(detail?.limits as object), ...(detail?.transport as object) };
  return Object.fromEntries(Object.entries(fields).filter(([name]) => NAMES.includes(name)));
}

describe("a field beyond the 14", () => {
  test("is set by POST, and shown only in detail", async () => {
    await using instance = await testInstance();
    await save(instance, { ...SET, mails_per_minute: "30" });
    const { value, detail } = await instance.request("GET", "/smtpserver/a");
    expect(detail).toMatchObject({
      limits: { max_connections: 2, mails_per_minute: 30 },
      transport: { pipelining: "off", auth_mechanism: "cram-md5" },
    });
    expect(Object.keys(value as object)).toHaveLength(14);
    const list = await instance.request("GET", "/smtpserver/");
    expect(Object.keys((list.value as { a: object }).a)).toHaveLength(14);
  });

  test("has a default in a new definition", async () => {
    await using instance = await testInstance();
    await save(instance, {});
    expect(await shown(instance)).toEqual(DEFAULTS);
  });

  test("keeps its value when it is absent", async () => {
    await using instance = await testInstance();
    await save(instance, SET);
    await save(instance, { description: "changed by a client of 14 keys" });
    expect(await shown(instance)).toEqual(SET);
  });

  test.each([[null], [""]])("gets its default if it is %p", async (reset) => {
    await using instance = await testInstance();
    await save(instance, SET);
    await save(instance, all(reset));
    expect(await shown(instance)).toEqual(DEFAULTS);
  });

  test("is reset by an empty field of a form, which cannot carry null", async () => {
    await using instance = await testInstance();
    await save(instance, SET);
    const form = { server: SERVER.server, pipelining: "", max_connections: "" };
    await instance.request("POST", "/smtpserver/a", { form });
    expect(await shown(instance)).toEqual({ ...SET, pipelining: "auto", max_connections: 5 });
  });

  test("is set alone, and the others keep their values", async () => {
    await using instance = await testInstance();
    await save(instance, SET);
    await save(instance, { mails_per_minute: 0, auth_mechanism: "login" });
    expect(await shown(instance)).toEqual({ ...SET, mails_per_minute: 0, auth_mechanism: "login" });
  });

  test("is named in the audit row only when it changes", async () => {
    await using instance = await testInstance();
    await save(instance, {});
    await save(instance, { pipelining: "off", auth_mechanism: "auto" });
    await save(instance, { max_connections: 5 });
    const { value } = await instance.request("GET", "/audit/", { query: { action: "POST /smtpserver/*" } });
    const rows = (value as { auditdata: { fields: string }[] }).auditdata;
    expect(rows.map(({ fields }) => fields).slice(0, 2)).toEqual(["", "pipelining"]);
  });

  test.each([
    ["max_connections", 0],
    ["max_connections", 101],
    ["mails_per_minute", -1],
    ["mails_per_minute", 1.5],
    ["mails_per_minute", 1_000_001],
    ["pipelining", "on"],
    ["pipelining", false],
    ["auth_mechanism", "xoauth2"],
    ["auth_mechanism", ["plain"]],
  ])("is 905 as %s = %p", async (parameter, value) => {
    await using instance = await testInstance();
    const response = await save(instance, { [parameter]: value });
    expect(outcome(response)).toEqual([400, 905]);
    expect(response.error?.message).toStartWith(`ERR905: Invalid parameter: ${parameter}: expected `);
  });

  test("reaches the transport with a message of a stored definition", async () => {
    await using instance = await testInstance();
    await save(instance, SET);
    const to = [{ name: "", address: "user@example.net" }];
    await instance.services.submit("a", { to, subject: "Hello", text: "Hi" });
    expect(instance.sent[0]?.server).toMatchObject({ pipelining: "off", authMechanism: "cram-md5" });
  });
});

describe("a test of an unsaved definition", () => {
  const send = (instance: TestInstance, json: object) =>
    instance.request("POST", "/smtpserver/send_test_email", {
      json: { ...SERVER, identifier: "a", recipient: "user@example.net", ...json },
    });
  const used = ({ sent }: TestInstance) => sent[0]?.server;
  const STORED = { pipelining: "off", authMechanism: "cram-md5" } as const;
  const UNSET = { pipelining: "auto", authMechanism: "auto" } as const;

  test.each<[name: string, change: object, expected: object]>([
    ["the same host, port and username", {}, STORED],
    ["the same host in other letters", { server: "Mail.EXAMPLE.org." }, STORED],
    ["the same port inside server", { server: "mail.example.org:587", port: 25 }, STORED],
    ["another sender, timeout and TLS", { sender: "x@example.org", timeout: 5, tls: true }, STORED],
    ["another host", { server: "other.example.org" }, UNSET],
    ["another port", { port: 588 }, UNSET],
    ["another username", { username: "other" }, UNSET],
    ["another identifier", { identifier: "b" }, UNSET],
    ["no identifier", { identifier: "" }, UNSET],
    ["a field of its own", { pipelining: "auto" }, { ...STORED, pipelining: "auto" }],
    ["a field that is null", { auth_mechanism: null }, { ...STORED, authMechanism: "auto" }],
  ])("takes absent further fields from the stored one: %s", async (_name, change, expected) => {
    await using instance = await testInstance();
    await save(instance, SET);
    expect((await send(instance, change)).value).toBe(true);
    expect(used(instance)).toMatchObject(expected);
  });

  test("uses further fields that are given", async () => {
    await using instance = await testInstance();
    await send(instance, { pipelining: "off", auth_mechanism: "login" });
    expect(used(instance)).toMatchObject({ pipelining: "off", authMechanism: "login" });
  });

  test("stores them with a queued message until it is sent", async () => {
    await using instance = await testInstance();
    await save(instance, SET);
    await send(instance, { enqueue_job: true });
    const signal = new AbortController().signal;
    await instance.services.drain({ signal, endsMs: performance.now() + 10_000, messageTimeoutMs: 100 });
    expect(used(instance)).toMatchObject(STORED);
  });
});
