import { describe, expect, test } from "bun:test";
import type { Transport } from "../../src/contracts/transport.ts";
import { ADMIN, PEER, START, type TestInstance, testInstance } from "../fixtures/instance.ts";
import { leaf, SENDER } from "../fixtures/smime/authority.ts";
import { privateKey } from "../fixtures/smime/keys.ts";

interface Row {
  readonly number: number;
  readonly action: string;
  readonly [column: string]: unknown;
}
interface Page {
  readonly auditdata: readonly Row[];
  readonly count: number;
  readonly current: number;
  readonly prev: number | null;
  readonly next: number | null;
}

async function page(instance: TestInstance, query: Record<string, string> = {}): Promise<Page> {
  const { status, value, text } = await instance.request("GET", "/audit/", { query });
  if (status !== 200) throw new Error(text);
  return value as Page;
}
const rows = async (instance: TestInstance, query?: Record<string, string>) =>
  (await page(instance, query)).auditdata;
const save = (instance: TestInstance, json: object, identifier = "a") =>
  instance.request("POST", `/smtpserver/${identifier}`, { json: { server: "mail.example.org", ...json } });
const sendTest = (instance: TestInstance, json: object) =>
  instance.request("POST", "/smtpserver/send_test_email", {
    json: {
      server: "mail.example.org",
      recipient: "user@example.net",
      sender: SENDER,
      identifier: "office",
      ...json,
    },
  });

/** One step and the newest row after it. `null` if the step writes none. */
const STEPS: Readonly<
  Record<string, readonly [step: (instance: TestInstance) => Promise<unknown>, row: object | null]>
> = {
  "a creation": [
    (instance) => save(instance, { port: 587, password: "p", private_key: "", tls: false }),
    {
      action: "POST /smtpserver/<identifier>",
      success: true,
      identifier: "a",
      fields: "server,port,password",
    },
  ],
  "a change": [
    async (instance) => {
      await save(instance, { port: 587, password: "p" });
      await save(instance, { port: 587, timeout: 20, password: "q" });
    },
    { action: "POST /smtpserver/<identifier>", fields: "timeout,password" },
  ],
  "a save that changes nothing": [
    async (instance) => {
      await save(instance, { password: "p" });
      await save(instance, { password: "__CENSORED__", private_key: "" });
    },
    { action: "POST /smtpserver/<identifier>", success: true, fields: "" },
  ],
  "a refused save": [
    (instance) => save(instance, { port: "x" }),
    {
      action: "POST /smtpserver/<identifier>",
      success: false,
      identifier: "a",
      info: "invalid_parameter port",
    },
  ],
  "a stale save": [
    (instance) =>
      instance.request("POST", "/smtpserver/a", { json: { server: "a" }, headers: { "if-match": '"x"' } }),
    { success: false, identifier: "a", info: "stale" },
  ],
  "a save under a bad name": [
    (instance) =>
      instance.request("POST", `/smtpserver/a%00%0a${"b".repeat(300)}`, { json: { server: "a" } }),
    { success: false, identifier: `a\ufffd\ufffd${"b".repeat(252)}`, info: "invalid_parameter identifier" },
  ],
  "a deletion": [
    async (instance) => {
      await save(instance, {});
      await instance.request("DELETE", "/smtpserver/a");
    },
    { action: "DELETE /smtpserver/<identifier>", success: true, identifier: "a" },
  ],
  "a deletion of nothing": [
    (instance) => instance.request("DELETE", "/smtpserver/a"),
    { action: "DELETE /smtpserver/<identifier>", success: false, identifier: "a" },
  ],
  "a test": [
    (instance) => sendTest(instance, {}),
    {
      action: "POST /smtpserver/send_test_email",
      ...{
        success: true,
        identifier: "office",
        recipient: "user@example.net",
        outcome: "sent",
        phase: "",
        info: "",
      },
    },
  ],
  "a test that fails": [
    (instance) => sendTest(instance, { sender: "" }),
    { success: false, identifier: "office", outcome: "not-sent", phase: "sender", info: "sender_missing" },
  ],
  "a test that goes out unsigned": [
    async (instance) => {
      const key = await privateKey("p256");
      const dates = { notBefore: "20200101000000Z", notAfter: "20260501000000Z" };
      await sendTest(instance, { private_key: key, certificate: await leaf({ key, ...dates }), smime: true });
    },
    { success: true, outcome: "sent", info: "sent unsigned: sign_expired" },
  ],
  "a test that would lead a stored password astray": [
    async (instance) => {
      await save(instance, { username: "u", password: "p" }, "office");
      await sendTest(instance, { server: "evil.example.net", username: "u", password: "__CENSORED__" });
    },
    {
      success: false,
      identifier: "office",
      recipient: "user@example.net",
      info: "invalid_parameter password",
    },
  ],
  "a policy": [
    (instance) => instance.request("POST", "/policy/p", { json: { scope: "admin", action: "*" } }),
    {
      action: "POST /policy/<name>",
      success: true,
      identifier: "p",
      fields: expect.stringContaining("action"),
    },
  ],
  "a changed policy": [
    async (instance) => {
      await instance.request("POST", "/policy/p", { json: { scope: "admin", action: "*" } });
      await instance.request("POST", "/policy/p", { json: { scope: "admin", action: "*", priority: 2 } });
    },
    { action: "POST /policy/<name>", identifier: "p", fields: "priority", policies: "p" },
  ],
  "a policy switched off": [
    async (instance) => {
      await instance.request("POST", "/policy/p", { json: { scope: "admin", action: "*" } });
      await instance.request("POST", "/policy/disable/p");
    },
    { action: "POST /policy/disable/<name>", identifier: "p", fields: "active" },
  ],
  "a refused lock-out": [
    (instance) => instance.request("POST", "/policy/p", { json: { scope: "admin", action: "auditlog" } }),
    { action: "POST /policy/<name>", success: false, identifier: "p", info: "invalid_parameter name" },
  ],
  "a log-in": [
    (instance) => instance.request("POST", "/auth", { json: ADMIN, token: null }),
    { action: "POST /auth", success: true, administrator: "admin", info: "" },
  ],
  "a list that reveals": [
    async (instance) => {
      await save(instance, { password: "p" });
      await instance.request("GET", "/smtpserver/");
    },
    { action: "GET /smtpserver/", success: true, fields: "password" },
  ],
  "one definition that is revealed": [
    async (instance) => {
      await save(instance, { password: "p" });
      await instance.request("GET", "/smtpserver/a");
    },
    { action: "GET /smtpserver/<identifier>", success: true, identifier: "a", fields: "password" },
  ],
  "reading what reveals nothing": [
    async (instance) => {
      for (const path of [
        "/smtpserver/",
        "/smtpserver/?censor=1",
        "/policy/",
        "/audit/",
        "/healthz",
        "/readyz",
        "/openapi.json",
      ]) {
        await instance.request("GET", path);
      }
      await instance.request("GET", "/smtpserver/none");
      await instance.request("GET", "/policy/none");
      await instance.request("GET", "/nothing");
    },
    null,
  ],
};

describe("an audit row", () => {
  test.each(Object.entries(STEPS))("of %s", async (_, [step, expected]) => {
    await using instance = await testInstance();
    await step(instance);
    const [newest] = await rows(instance);
    if (expected === null) expect(newest).toBeUndefined();
    else expect(newest).toMatchObject(expected);
    if (newest) expect(newest).toMatchObject({ administrator: "admin", realm: "", client: PEER, count: 1 });
  });

  test("has these columns, with the date in ISO 8601", async () => {
    await using instance = await testInstance();
    await save(instance, {});
    expect(await rows(instance)).toEqual([
      {
        ...{ number: 1, date: START.toISOString(), action: "POST /smtpserver/<identifier>", success: true },
        ...{
          administrator: "admin",
          realm: "",
          client: PEER,
          identifier: "a",
          recipient: "",
          fields: "server",
        },
        ...{ outcome: "", phase: "", info: "", policies: "", count: 1 },
        request_id: expect.stringMatching(/^[0-9a-f]{16}$/),
      },
    ]);
  });

  test("of a denied request names the right's action and the caller", async () => {
    await using instance = await testInstance();
    await instance.request("POST", "/policy/p", { json: { scope: "admin", action: "policywrite,auditlog" } });
    await instance.request("GET", "/smtpserver/");
    await save(instance, {});
    const [second, first] = await rows(instance);
    const denied = { success: false, administrator: "admin", client: PEER, info: "action_denied" };
    expect(first).toMatchObject({ ...denied, action: "GET /smtpserver/" });
    expect(second).toMatchObject({ ...denied, action: "POST /smtpserver/<identifier>", identifier: "a" });
  });

  test("of an unexpected failure has its request ID", async () => {
    const transport: Transport = {
      name: "broken",
      send: () => Promise.reject(new Error("broken")),
      [Symbol.asyncDispose]: async () => undefined,
    };
    await using instance = await testInstance({ transport });
    const { detail } = await sendTest(instance, {});
    const expected = {
      success: false,
      info: "internal",
      identifier: "office",
      request_id: detail?.request_id,
    };
    expect((await rows(instance))[0]).toMatchObject(expected);
  });
});

describe("failed authentication", () => {
  const wrong = { json: { username: "admin", password: "wrong" }, token: null };

  test("is one row a minute for each address, with a count", async () => {
    await using instance = await testInstance();
    for (let i = 0; i < 12; i++) await instance.request("POST", "/auth", wrong);
    await instance.request("GET", "/smtpserver/", { token: null });
    await instance.request("GET", "/smtpserver/", { token: "garbage" });
    await instance.request("POST", "/auth", { ...wrong, peer: "198.51.100.1" });
    instance.clock.advance(60);
    await instance.request("GET", "/audit/", { token: "garbage" });
    const found = (await rows(instance)).map(({ action, success, client, count, info, administrator }) => [
      ...[action, success, client, count, info, administrator],
    ]);
    expect(found).toEqual([
      ["GET /audit/", false, PEER, 1, "bad_token", ""],
      ["POST /auth", false, "198.51.100.1", 1, "wrong_credentials", ""],
      ["POST /auth", false, PEER, 14, "wrong_credentials", ""],
    ]);
  });

  test("is one row for all addresses of an IPv6 /64", async () => {
    await using instance = await testInstance();
    for (const peer of ["2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"])
      await instance.request("GET", "/audit/", { token: "garbage", peer });
    expect((await rows(instance)).map(({ client, count }) => [client, count])).toEqual([
      ["2001:db8:0:2::1", 1],
      ["2001:db8:0:1::1", 2],
    ]);
  });

  test("never stores the name that was typed, because it may be a password", async () => {
    await using instance = await testInstance();
    await instance.request("POST", "/auth", {
      json: { username: "hunter2", password: "hunter3" },
      token: null,
    });
    const dump =
      JSON.stringify(await rows(instance)) +
      JSON.stringify(await instance.database.read.all("SELECT * FROM try_window"));
    expect(dump).not.toMatch(/hunter[23]/);
  });

  test("counts every concurrent request", async () => {
    await using instance = await testInstance();
    await Promise.all(Array.from({ length: 30 }, () => instance.request("GET", "/audit/", { token: "x" })));
    expect(await rows(instance)).toMatchObject([{ count: 30 }]);
  });
});
