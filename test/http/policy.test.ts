import { describe, expect, test } from "bun:test";
import { Secret } from "../../src/domain/secret.ts";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import type { TestResponse } from "../fixtures/request.ts";

const ACTOR = { action: "cli test", administrator: "", realm: "", client: "", policies: "", requestId: "" };
const SECOND = { username: "second", realm: "" };
const ALL = { scope: "admin", action: "*" };

const save = (instance: TestInstance, name: string, json: object) =>
  instance.request("POST", `/policy/${name}`, { json });
const outcome = ({ status, value, error }: TestResponse) => (error ? [status, error.code] : [status, value]);
const names = async (instance: TestInstance) =>
  (await instance.services.policies.list()).map(({ name }) => name);

describe("POST /policy/<name>", () => {
  test("returns the ID of the policy, which a replacement keeps", async () => {
    await using instance = await testInstance();
    expect(outcome(await save(instance, "first", ALL))).toEqual([200, { "setPolicy first": 1 }]);
    expect(outcome(await save(instance, "second", ALL))).toEqual([200, { "setPolicy second": 2 }]);
    expect(outcome(await save(instance, "first", { ...ALL, priority: 2 }))).toEqual([
      200,
      { "setPolicy first": 1 },
    ]);
  });

  test("names the right that a misspelled one probably is", async () => {
    await using instance = await testInstance();
    const json = { scope: "admin", action: "auditlog, !mail_snd" };
    const { error } = await instance.request("POST", "/policy/p", { json });
    expect(error?.message).toMatch(/parameter: action: expected .* or \*, did you mean mail_send\?$/);
  });

  test("replaces the whole policy", async () => {
    await using instance = await testInstance();
    const rich = {
      adminuser: "admin",
      client: "192.0.2.0/24",
      time: "Mon: 1-2",
      priority: 3,
      description: "d",
    };
    await save(instance, "base", ALL);
    await save(instance, "p", { ...ALL, ...rich, active: "0" });
    await save(instance, "p", { scope: "admin", action: "auditlog" });
    expect((await instance.request("GET", "/policy/p")).value).toEqual([
      {
        ...{
          id: 2,
          name: "p",
          scope: "admin",
          action: { auditlog: true },
          adminuser: [],
          adminrealm: [],
          client: [],
        },
        ...{ time: "", active: true, priority: 1, description: "" },
      },
    ]);
  });

  test.each<[name: string, action: unknown, stored: object]>([
    ["a text", "smtpserver_read", { smtpserver_read: true }],
    ["a text with commas", " smtpserver_read ,auditlog,", { smtpserver_read: true, auditlog: true }],
    ["a list", ["smtpserver_read", "!auditlog"], { smtpserver_read: true, "!auditlog": true }],
    ["an object", { smtpserver_read: true, auditlog: "x" }, { smtpserver_read: true, auditlog: "x" }],
    ["everything", "*", { "*": true }],
    ["a value", "smtpserver_read=x", { smtpserver_read: "x" }],
  ])("accepts the action as %s", async (_, action, stored) => {
    await using instance = await testInstance();
    await save(instance, "base", ALL);
    expect((await save(instance, "p", { scope: "admin", action })).status).toBe(200);
    expect((await instance.request("GET", "/policy/p")).value).toMatchObject([{ action: stored }]);
  });

  test("accepts lists as arrays or as text, also in a form", async () => {
    await using instance = await testInstance();
    await save(instance, "base", ALL);
    const form = {
      scope: "admin",
      action: "auditlog",
      adminuser: "alice, b*,!bob",
      client: "192.0.2.1,-::1",
    };
    expect((await instance.request("POST", "/policy/p", { form })).status).toBe(200);
    const expected = [{ adminuser: ["alice", "b*", "!bob"], client: ["192.0.2.1", "-::1"] }];
    expect((await instance.request("GET", "/policy/p")).value).toMatchObject(expected);
    await save(instance, "p", { scope: "admin", action: "auditlog", ...expected[0] });
    expect((await instance.request("GET", "/policy/p")).value).toMatchObject(expected);
  });

  test.each<[parameter: string, value: unknown]>([
    ["scope", "user"],
    ["scope", "Admin"],
    ["scope", ["admin"]],
    ["action", "smtpserver_delete"],
    ["action", ["smtpserver_read", "!nothing"]],
    ["action", "!*"],
    ["action", ","],
    ["action", []],
    ["action", {}],
    ["action", { smtpserver_read: false }],
    ["action", "smtpserver_read=false"],
    ["action", { smtpserver_read: "False" }],
    ["action", { smtpserver_read: 1 }],
    ["action", { __proto__: null, constructor: true }],
    ["action", 7],
    ...["^admin$", "adm(in)", "[a]dmin", "a|b", "a{2}", "admin\\d", "admin+", ".*", "admin.*"].map(
      (value): [string, unknown] => ["adminuser", value],
    ),
    ["adminrealm", ["ok", "(x)"]],
    ["adminuser", "a\0b"],
    ["adminuser", [1]],
    ["adminuser", { a: true }],
    ["client", "example.org"],
    ["client", "192.0.2.0/33"],
    ["client", "!"],
    ["client", "*"],
    ["time", "always"],
    ["time", "Mon: 18-8"],
    ["active", "maybe"],
    ["priority", 0],
    ["priority", "x"],
    ["priority", 1.5],
    ["description", "d".repeat(2_001)],
  ])("rejects %s %j with 905", async (parameter, value) => {
    await using instance = await testInstance();
    const response = await save(instance, "p", { ...ALL, [parameter]: value });
    expect(outcome(response)).toEqual([400, 905]);
    expect(response.error?.message).toStartWith(`ERR905: Invalid parameter: ${parameter}: `);
    expect(await names(instance)).toEqual([]);
  });

  test.each(["scope", "action"])("needs %s", async (parameter) => {
    await using instance = await testInstance();
    const { error } = await save(instance, "p", { ...ALL, [parameter]: "" });
    expect(error?.message).toBe(`ERR905: Missing parameter: ${parameter}`);
  });

  test.each(["a%20b", "a%0ab", "ä", "x".repeat(65), "a%2Fb"])("rejects the name %p", async (name) => {
    await using instance = await testInstance();
    expect(outcome(await save(instance, name, ALL))).toEqual([400, 905]);
  });
});

describe("policies", () => {
  test("are listed by priority and name", async () => {
    await using instance = await testInstance();
    for (const [name, priority] of [
      ["b", 1],
      ["a", 2],
      ["c", 1],
    ] as const)
      await save(instance, name, { ...ALL, priority });
    const { value } = await instance.request("GET", "/policy/");
    expect((value as { name: string }[]).map(({ name }) => name)).toEqual(["b", "c", "a"]);
  });

  test("are enabled, disabled and deleted by name, and return the ID", async () => {
    await using instance = await testInstance();
    await save(instance, "base", ALL);
    await save(instance, "p", { ...ALL, adminuser: "somebody" });
    expect(outcome(await instance.request("POST", "/policy/disable/p"))).toEqual([200, 2]);
    expect((await instance.request("GET", "/policy/p")).value).toMatchObject([{ active: false }]);
    expect(outcome(await instance.request("POST", "/policy/enable/p"))).toEqual([200, 2]);
    expect((await instance.request("GET", "/policy/p")).value).toMatchObject([{ active: true }]);
    expect(outcome(await instance.request("DELETE", "/policy/p"))).toEqual([200, 2]);
    expect(await names(instance)).toEqual(["base"]);
  });

  test("that do not exist get 404", async () => {
    await using instance = await testInstance();
    for (const [method, path] of [
      ["GET", "/policy/p"],
      ["DELETE", "/policy/p"],
      ["POST", "/policy/enable/p"],
      ["POST", "/policy/disable/p"],
    ] as const) {
      expect(outcome(await instance.request(method, path))).toEqual([404, 601]);
    }
  });

  test("are deleted once by several concurrent requests", async () => {
    await using instance = await testInstance();
    await save(instance, "base", ALL);
    await save(instance, "p", ALL);
    const responses = await Promise.all([1, 2, 3].map(() => instance.request("DELETE", "/policy/p")));
    expect(responses.map(({ status }) => status).sort()).toEqual([200, 404, 404]);
  });
});

describe("a change that would leave no admin with policywrite", () => {
  const READ = { scope: "admin", action: "smtpserver_read" };
  const WRITE = { scope: "admin", action: "policywrite,policydelete" };

  const rejections: Readonly<Record<string, (instance: TestInstance) => Promise<TestResponse>>> = {
    "a first policy without policywrite": (instance) => save(instance, "p", READ),
    "one for another admin": (instance) => save(instance, "p", { ...WRITE, adminuser: "somebody" }),
    "one for all others": (instance) => save(instance, "p", { ...WRITE, adminuser: "*,!admin" }),
    "one for a realm": (instance) => save(instance, "p", { ...WRITE, adminrealm: "staff" }),
    "one for an address": (instance) => save(instance, "p", { ...WRITE, client: "192.0.2.10" }),
    "one for a time": (instance) => save(instance, "p", { ...WRITE, time: "Mon-Sun: 0-24" }),
    "to replace the last one": async (instance) => {
      await save(instance, "p", WRITE);
      return save(instance, "p", READ);
    },
    "to disable the last one": async (instance) => {
      await save(instance, "p", WRITE);
      await save(instance, "q", READ);
      return instance.request("POST", "/policy/disable/p");
    },
    "to delete the last one": async (instance) => {
      await save(instance, "p", WRITE);
      await save(instance, "q", READ);
      return instance.request("DELETE", "/policy/p");
    },
    "to enable the first one": async (instance) => {
      await save(instance, "p", { ...READ, active: false });
      return instance.request("POST", "/policy/enable/p");
    },
  };

  test.each(Object.entries(rejections))("is 905: %s", async (_, attempt) => {
    await using instance = await testInstance();
    const response = await attempt(instance);
    expect(outcome(response)).toEqual([400, 905]);
    expect(response.error?.message).toContain("policywrite");
    expect((await instance.request("POST", "/policy/proof", { json: WRITE })).status).toBe(200);
  });

  test("is rejected for admins as well", async () => {
    await using instance = await testInstance();
    const { admins } = instance.services;
    const lastOne = { username: "admin", realm: "" };
    expect(admins.save(lastOne, { enabled: false }, ACTOR)).rejects.toThrow("ERR905");
    await admins.save(SECOND, { password: new Secret("a secret word") }, ACTOR);
    await save(instance, "p", { ...WRITE, adminuser: "admin" });
    expect(admins.save(lastOne, { enabled: false }, ACTOR)).rejects.toThrow("ERR905");
    await admins.save(SECOND, { enabled: false }, ACTOR);
    expect((await admins.list()).map(({ enabled }) => enabled)).toEqual([true, false]);
  });

  test("does not include removing the last active policy, which allows everything again", async () => {
    await using instance = await testInstance();
    await save(instance, "p", WRITE);
    expect((await instance.request("DELETE", "/policy/p")).status).toBe(200);
    await save(instance, "p", WRITE);
    expect((await instance.request("POST", "/policy/disable/p")).status).toBe(200);
  });

  test("is rejected for one of two concurrent changes of policies", async () => {
    for (let round = 0; round < 5; round++) {
      await using instance = await testInstance();
      await save(instance, "a", WRITE);
      await save(instance, "b", WRITE);
      await save(instance, "c", READ);
      const responses = await Promise.all([
        instance.request("DELETE", "/policy/a"),
        instance.request("POST", "/policy/disable/b"),
      ]);
      expect(responses.map(({ status }) => status).sort()).toEqual([200, 400]);
      expect((await save(instance, "proof", WRITE)).status).toBe(200);
    }
  });

  test("is rejected for one of two concurrent changes, of a policy and of an admin", async () => {
    for (let round = 0; round < 5; round++) {
      await using instance = await testInstance();
      const { admins } = instance.services;
      await admins.save(SECOND, { password: new Secret("a secret word") }, ACTOR);
      await save(instance, "a", { ...WRITE, adminuser: "admin" });
      await save(instance, "b", { ...WRITE, adminuser: "second" });
      const results = await Promise.allSettled([
        instance.services.policies.remove("a", ACTOR),
        admins.save(SECOND, { enabled: false }, ACTOR),
      ]);
      expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    }
  });

  test("does not prevent many harmless concurrent changes", async () => {
    await using instance = await testInstance();
    await save(instance, "base", ALL);
    const responses = await Promise.all(Array.from({ length: 6 }, (_, n) => save(instance, `p${n}`, ALL)));
    expect(responses.map(({ status }) => status)).toEqual(Array<number>(6).fill(200));
    expect(await names(instance)).toHaveLength(7);
  });
});
