import { describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { createMemoryTransport } from "../../src/transport/memory.ts";
import { START, type TestInstance, testInstance } from "../fixtures/instance.ts";
import type { RequestOptions, TestResponse } from "../fixtures/request.ts";

const DEFAULTS = {
  server: "mail.example.org",
  port: 25,
  username: "",
  password: "",
  sender: "",
  tls: false,
  timeout: 10,
  enqueue_job: false,
  description: "",
  smime: false,
  dont_send_on_error: false,
  private_key: "",
  private_key_password: "",
  certificate: "",
};
/** `detail` of a new definition. */
const WELL = {
  health: { circuit: "closed", failures: 0, since: null, next_try: null, last_failure: null, waiting: 0 },
  limits: { max_connections: 5, mails_per_minute: 0 },
  transport: {
    pipelining: "auto",
    auth_mechanism: "auto",
    api_url: "",
    tls_certificate: "",
    tls_private_key: "",
  },
  auth: expect.objectContaining({ auth: "password", oauth_client_secret: "" }),
  provider: "",
  smime: expect.objectContaining({ smime_pss: false }),
};
const SERVER = { server: "mail.example.org" };
const save = (instance: TestInstance, json: object, options: RequestOptions = {}) =>
  instance.request("POST", "/smtpserver/a", { json, ...options });
const shown = async (instance: TestInstance) => (await instance.request("GET", "/smtpserver/a")).value;
const outcome = ({ status, error }: TestResponse) => (error ? [status, error.code] : status);
describe("POST /smtpserver/<identifier>", () => {
  test("creates with the defaults, and GET shows exactly the 14 keys", async () => {
    await using instance = await testInstance();
    const { status, value, detail } = await save(instance, SERVER);
    expect([status, value, detail]).toEqual([200, true, undefined]);
    for (const path of ["/smtpserver/", "/smtpserver"]) {
      expect((await instance.request("GET", path)).value).toEqual({ a: DEFAULTS });
    }
    const one = await instance.request("GET", "/smtpserver/a");
    expect([one.value, one.detail]).toEqual([DEFAULTS, WELL]);
  });

  test("returns the saved values", async () => {
    await using instance = await testInstance();
    const whole = {
      ...{
        server: "SMTPS://Mail.Example.ORG:4650",
        port: 587,
        username: "üser",
        password: " p ä ss\u00a0",
        tls: true,
      },
      ...{
        sender: "Some One <one@example.org>",
        timeout: 300,
        enqueue_job: true,
        description: "two\r\nlines",
      },
      ...{
        smime: false,
        dont_send_on_error: true,
        private_key: "",
        private_key_password: "x",
        certificate: "",
      },
    };
    expect(outcome(await save(instance, whole))).toBe(200);
    expect(await shown(instance)).toEqual({ ...whole, private_key_password: "__CENSORED__" });
  });

  test("replaces a definition, and absent fields get their defaults", async () => {
    await using instance = await testInstance();
    const rich = {
      port: 587,
      username: "u",
      sender: "a@example.org",
      tls: true,
      timeout: 20,
      description: "d",
    };
    await save(instance, { ...SERVER, ...rich, enqueue_job: true, dont_send_on_error: true });
    await save(instance, SERVER);
    expect(await shown(instance)).toEqual(DEFAULTS);
  });

  test.each<[parameter: string, value: unknown]>([
    ["port", 0],
    ["port", 65_536],
    ["port", -1],
    ["port", 2.5],
    ["timeout", 0],
    ["timeout", 301],
    ["tls", "yes"],
    ["sender", "nobody"],
    ["sender", "a@example.org, b@example.org"],
    ["server", "smtp://user:pw@mail.example.org"],
    ["server", "http://mail.example.org"],
    ["server", "mail.example.org/path"],
    ["server", "a".repeat(256)],
    ["username", "u".repeat(256)],
    ["description", "d".repeat(2_001)],
    ["private_key", "k".repeat(65_536)],
  ])("rejects %s %p with 905", async (parameter, value) => {
    await using instance = await testInstance();
    const response = await save(instance, { ...SERVER, [parameter]: value });
    expect(outcome(response)).toEqual([400, 905]);
    expect(response.error?.message).toStartWith(`ERR905: Invalid parameter: ${parameter}: `);
    expect((await instance.request("GET", "/smtpserver/")).value).toEqual({});
  });

  test.each<[body: object, warns: boolean]>([
    [{ ...SERVER, username: "u" }, true],
    [{ ...SERVER, username: "u", tls: true }, false],
    [{ server: "smtps://mail.example.org", username: "u" }, false],
    [SERVER, false],
  ])("of %j warns of clear text: %p", async (body, warns) => {
    await using instance = await testInstance();
    const { detail } = await save(instance, body);
    const notices = [{ code: "clear_text", parameter: "tls" }];
    expect(detail).toEqual(
      warns ? { warnings: [expect.stringContaining("clear text")], notices } : undefined,
    );
  });
});

describe("the health of a definition", () => {
  const SENDING = { ...SERVER, sender: "me@example.org", enqueue_job: true };
  const MESSAGE = { to: [{ name: "", address: "user@example.net" }], subject: "Hello", text: "Hi" };
  const drain = ({ services }: TestInstance) =>
    services.drain({
      signal: new AbortController().signal,
      endsMs: performance.now() + 10_000,
      messageTimeoutMs: 100,
    });
  const read = (instance: TestInstance) => instance.request("GET", "/smtpserver/a");
  const health = async (instance: TestInstance) => (await read(instance)).detail?.health;

  test("counts the messages that are not in a final state", async () => {
    await using instance = await testInstance();
    await save(instance, SENDING);
    await instance.services.submit("a", MESSAGE);
    await drain(instance);
    expect(await health(instance)).toEqual(WELL.health);
    for (let i = 0; i < 3; i++) await instance.services.submit("a", MESSAGE);
    await instance.request("POST", "/smtpserver/b", { json: SENDING });
    await instance.services.submit("b", MESSAGE);
    expect(await health(instance)).toMatchObject({ waiting: 3 });
  });

  test("shows an unhealthy server until it recovers, without changing the ETag", async () => {
    const transport = createMemoryTransport();
    await using instance = await testInstance({ transport });
    await save(instance, SENDING);
    const etag = (await read(instance)).headers.get("etag");
    transport.fail({ phase: "connect", code: "refused", retryable: true, times: 5 });
    for (let i = 0; i < 5; i++) await instance.services.submit("a", MESSAGE);
    await drain(instance);
    const since = START.toISOString();
    const down = {
      ...{ circuit: "open", failures: 5, since, waiting: 5 },
      next_try: new Date(START.getTime() + 30_000).toISOString(),
      last_failure: { date: since, phase: "connect", code: "refused" },
    };
    const open = await read(instance);
    expect(open.detail).toEqual({ ...WELL, health: down });
    expect([open.value, open.headers.get("etag")]).toEqual([{ ...DEFAULTS, ...SENDING }, etag]);
    instance.clock.advance(30);
    expect(await health(instance)).toEqual({ ...down, circuit: "half-open" });
    await drain(instance);
    const back = await read(instance);
    expect(back.detail?.health).toMatchObject({ circuit: "closed", failures: 0, last_failure: null });
    expect(back.headers.get("etag")).toBe(etag);
    const { value } = await instance.request("GET", "/audit/", { query: { action: "circuit *" } });
    expect(value).toMatchObject({
      auditdata: [
        { action: "circuit close", identifier: "a" },
        { action: "circuit open", identifier: "a" },
      ],
    });
  });

  test("is shown with the warning about a password that cannot be decrypted", async () => {
    await using instance = await testInstance();
    await save(instance, { ...SERVER, password: "p" });
    await instance.database.write.run("UPDATE smtp_server SET password = password || 'x'");
    const { detail } = await read(instance);
    expect(detail).toEqual({
      ...WELL,
      warnings: [expect.stringContaining("password of a cannot be decrypted")],
      notices: [{ code: "password_unreadable", parameter: "password" }],
    });
  });
});

describe("an identifier", () => {
  const url = (identifier: string) => `/smtpserver/${encodeURIComponent(identifier)}`;

  test.each(
    [
      "a",
      "with space",
      " ",
      "A.b_c-d",
      "üñí",
      "日本",
      "100%",
      "%2F",
      "a+b",
      "?",
      "#",
      "__proto__",
      "constructor",
      "toString",
      "...",
      "SEND_TEST_EMAIL",
      "x".repeat(255),
      "ü".repeat(255),
      "'; DROP TABLE smtp_server; --",
    ].filter((identifier) => identifier !== " "),
  )("may be %p", async (identifier) => {
    await using instance = await testInstance();
    expect(outcome(await instance.request("POST", url(identifier), { json: SERVER }))).toBe(200);
    const { text } = await instance.request("GET", "/smtpserver/");
    expect(Object.keys(JSON.parse(text).result.value)).toEqual([identifier]);
    expect((await instance.request("GET", url(identifier))).value).toEqual(DEFAULTS);
    expect((await instance.request("DELETE", url(identifier))).value).toBe(true);
  });

  test("is the same composed and decomposed", async () => {
    await using instance = await testInstance();
    await instance.request("POST", url("u\u0308"), { json: SERVER });
    expect((await instance.request("GET", url("ü"))).status).toBe(200);
    expect(Object.keys((await instance.request("GET", "/smtpserver/")).value as object)).toEqual(["ü"]);
    expect(outcome(await instance.request("POST", url("u\u0308".repeat(255)), { json: SERVER }))).toBe(200);
    // U+0958 becomes two characters.
    expect(outcome(await instance.request("POST", url("\u0958".repeat(128)), { json: SERVER }))).toEqual([
      400, 905,
    ]);
  });

  test("is case-sensitive", async () => {
    await using instance = await testInstance();
    await instance.request("POST", "/smtpserver/a", { json: SERVER });
    expect((await instance.request("GET", "/smtpserver/A")).status).toBe(404);
  });

  test.each(["a/b", "/", "a\nb", "a\0b", "\u007f", "\u0085", " ", "x".repeat(256)])(
    "may not be %p",
    async (identifier) => {
      await using instance = await testInstance();
      for (const method of ["GET", "POST", "DELETE"]) {
        const options = method === "POST" ? { json: SERVER } : {};
        expect(outcome(await instance.request(method, url(identifier), options))).toEqual([400, 905]);
      }
      const test = { ...SERVER, recipient: "a@example.org", sender: "b@example.org", identifier };
      const response = await instance.request("POST", "/smtpserver/send_test_email", { json: test });
      expect(outcome(response)).toEqual([400, 905]);
    },
  );

  test.each(["a,b", "\u202eb", "a\u2066b", "a\u200bb", "a\u200db", "\ufeffa", "a\u00adb", "a\u2028b"])(
    "may not be a new %j, but such a definition can be read, changed and deleted",
    async (identifier) => {
      await using instance = await testInstance();
      const save = () => instance.request("POST", url(identifier), { json: SERVER });
      expect(outcome(await save())).toEqual([400, 905]);
      await instance.request("POST", url("old"), { json: SERVER });
      await instance.database.commit([
        instance.database.write.run(sql`UPDATE smtp_server SET identifier = ${identifier}`),
      ]);
      expect(outcome(await instance.request("GET", url(identifier)))).toBe(200);
      expect(outcome(await save())).toBe(200);
      expect((await instance.request("DELETE", url(identifier))).value).toBe(true);
    },
  );

  test.each(["send_test_email", "send%5Ftest%5Femail"])("may not be %s", async (path) => {
    await using instance = await testInstance();
    await instance.request("POST", `/smtpserver/${path}`, { json: SERVER });
    expect((await instance.request("GET", "/smtpserver/")).value).toEqual({});
    expect(outcome(await instance.request("DELETE", `/smtpserver/${path}`))).toEqual([405, 405]);
  });

  test.each([".", "..", "%2e", "%2E%2e", "%252e%252e/x", ""])("may not be reached as %p", async (path) => {
    await using instance = await testInstance();
    const { status } = await instance.request("POST", `/smtpserver/${path}`, { json: SERVER });
    expect([400, 404, 405]).toContain(status);
    expect((await instance.request("GET", "/smtpserver/")).value).toEqual({});
  });

  test("that is not UTF-8 gets 905, and does not become another name", async () => {
    await using instance = await testInstance();
    expect(outcome(await instance.request("POST", "/smtpserver/%ff", { json: SERVER }))).toEqual([400, 905]);
    expect(outcome(await instance.request("POST", "/smtpserver/%ED%A0%80", { json: SERVER }))).toEqual([
      400, 905,
    ]);
  });
});

describe("DELETE /smtpserver/<identifier>", () => {
  test("is true, then false", async () => {
    await using instance = await testInstance();
    await save(instance, SERVER);
    const first = await instance.request("DELETE", "/smtpserver/a");
    const second = await instance.request("DELETE", "/smtpserver/a");
    expect([first.status, first.value, second.status, second.value]).toEqual([200, true, 200, false]);
  });

  test("by two concurrent requests is true for one of them", async () => {
    await using instance = await testInstance();
    await save(instance, SERVER);
    const responses = await Promise.all([1, 2, 3].map(() => instance.request("DELETE", "/smtpserver/a")));
    expect(responses.map(({ value }) => value).sort()).toEqual([false, false, true]);
  });
});
