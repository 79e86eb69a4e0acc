import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Secret } from "../../src/domain/secret.ts";
import { testInstance } from "../fixtures/instance.ts";
import { startTokenServer } from "../fixtures/token-server.ts";
import { ACTOR, create, DEFINITION, listed, SECOND, seen } from "./apikey-support.ts";
import { callback, consent, saveMain, start } from "./oauth-support.ts";

describe("the servers of a key", () => {
  const RIGHTS = "smtpserver_read,smtpserver_write";
  async function limited() {
    const instance = await testInstance();
    for (const name of ["main", "other"]) {
      await instance.request("POST", `/smtpserver/${name}`, { json: DEFINITION });
    }
    const { key } = await create(instance, { rights: RIGHTS, servers: ["main", "mäin"] });
    const request = (method: string, path: string, json?: object) =>
      instance.request(method, path, { token: key, ...(json && { json }) });
    return { instance, request, [Symbol.asyncDispose]: () => instance[Symbol.asyncDispose]() };
  }
  const TEST = { ...DEFINITION, recipient: "ann@example.net" };

  test("limit reading, saving, testing and deleting to these names", async () => {
    await using own = await limited();
    const calls: [string, string, object?][] = [
      ["GET", "/smtpserver/:name"],
      ["POST", "/smtpserver/:name", DEFINITION],
      ["POST", "/smtpserver/:name/send_test_email", { recipient: "ann@example.net" }],
      ["POST", "/smtpserver/:name/oauth/start", {}],
      ["DELETE", "/smtpserver/:name"],
    ];
    for (const [method, path, json] of calls) {
      expect(seen(await own.request(method, path.replace(":name", "other"), json))).toEqual([403, 303]);
      expect(seen(await own.request(method, path.replace(":name", "MAIN"), json))).toEqual([403, 303]);
      expect((await own.request(method, path.replace(":name", "main"), json)).status).not.toBe(403);
    }
    // In both forms of Unicode.
    for (const name of ["m\u00e4in", "ma\u0308in"]) {
      expect((await own.request("POST", `/smtpserver/${encodeURIComponent(name)}`, DEFINITION)).status).toBe(
        200,
      );
    }
    const { value } = await own.instance.request("GET", "/smtpserver/");
    expect(Object.keys(value as object).sort()).toEqual(["m\u00e4in", "other"].sort());
  });

  test("deny every other route with these rights, unless it shows or names no definition", async () => {
    await using instance = await testInstance();
    const rights = instance.services.rights.filter((right) => /^(smtpserver_|mail_send)/.test(right));
    const { key } = await create(instance, { rights, servers: ["none"] });
    await instance.request("POST", "/smtpserver/main", { json: DEFINITION });
    const { paths } = JSON.parse((await instance.request("GET", "/openapi.json")).text);
    const passed: string[] = [];
    const mail = { server: "main", to: "ann@example.net", text: "Hello" };
    const BODIES: Readonly<Record<string, object>> = { "/mail/": mail, "/mail/batch": { messages: [mail] } };
    for (const [path, methods] of Object.entries<Record<string, { readonly security?: object[] }>>(paths)) {
      for (const [method, { security }] of Object.entries(methods)) {
        if (security?.length === 0) continue;
        const named = path.replaceAll(/\{\w+\}/g, "main");
        const json = method === "get" ? {} : { json: BODIES[path] ?? TEST };
        const { status } = await instance.request(method.toUpperCase(), named, { token: key, ...json });
        if (status !== 403) passed.push(`${method} ${path}`);
      }
    }
    // A batch has the error of each message in its place. An inspection and the caller concern no definition.
    expect(passed.toSorted()).toEqual([
      "get /auth",
      "get /provider/",
      "get /smtpserver/",
      "post /mail/batch",
      "post /smtpserver/inspect",
    ]);
    expect(instance.sent).toHaveLength(0);
  });

  test("limit the list", async () => {
    await using own = await limited();
    expect(Object.keys((await own.request("GET", "/smtpserver/")).value as object)).toEqual(["main"]);
    expect(Object.keys((await own.instance.request("GET", "/smtpserver/")).value as object)).toHaveLength(2);
  });

  test("limit the test of an unsaved definition to a stored name among them", async () => {
    await using own = await limited();
    const path = "/smtpserver/send_test_email";
    for (const identifier of [undefined, "", "other", "mäin"]) {
      expect(seen(await own.request("POST", path, { ...TEST, identifier }))).toEqual([403, 303]);
    }
    expect(own.instance.sent).toHaveLength(0);
    expect((await own.request("POST", path, { ...TEST, identifier: "main" })).value).toBe(true);
    expect(own.instance.sent).toHaveLength(1);
  });
});

describe("a key with apikey_write", () => {
  const OWN = {
    rights: ["apikey_write", "mail_read", "smtpserver_read"],
    servers: ["main", "second"],
    client: ["192.0.2.0/24", "198.51.100.0/24"],
    expires_at: "2026-06-02T00:00:00.000Z",
  };

  const NARROW = {
    rights: ["mail_read"],
    servers: ["main"],
    client: ["192.0.2.0/24"],
    expires_at: "2026-06-01T23:00:00Z",
  };
  const WIDER: readonly object[] = [
    { rights: ["auditlog"] },
    { rights: ["mail_read", "smtpserver_write"] },
    { servers: ["main", "third"] },
    { servers: [] },
    { client: ["203.0.113.0/24"] },
    { client: [] },
    { client: ["0.0.0.0/0"] },
    { expires_at: "2026-06-02T00:00:01Z" },
    { expires_at: "" },
  ];

  test("creates keys of the same admin within its own scope, and none with a wider one", async () => {
    await using instance = await testInstance();
    const { key } = await create(instance, OWN);
    for (const wider of WIDER) {
      const options = { token: key, json: { name: "child", ...NARROW, ...wider } };
      expect(seen(await instance.request("POST", "/apikey/", options))).toEqual([403, 303]);
    }
    const { key: child } = await create(instance, NARROW, { token: key });
    expect((await instance.request("GET", "/mail/", { token: child })).status).toBe(200);
    expect((await listed(instance)).map(({ administrator }) => administrator)).toEqual(["admin", "admin"]);
  });
});

test("a key never has a right that its admin lacks at that moment, nor one that it does not list", async () => {
  await using instance = await testInstance();
  const { services, request } = instance;
  await services.admins.save(SECOND, { password: new Secret("a good long secret") }, ACTOR);
  const token = await instance.logIn("second", "a good long secret");
  await request("POST", "/policy/boss", { json: { scope: "admin", action: "*", adminuser: "admin" } });
  const right = fc.constantFrom("auditlog", "mail_read", "policyread", "configread", "apikey_write");
  const given = fc.record({
    listed: fc.uniqueArray(right, { minLength: 1 }),
    action: fc.oneof(fc.uniqueArray(right, { minLength: 1 }), fc.constant(["*", "!mail_read"])),
    adminuser: fc.constantFrom("second", "s*", "!second", ""),
    client: fc.constantFrom("", "192.0.2.0/24", "198.51.100.0/24"),
    time: fc.constantFrom("", "Mon: 8:00-18:00", "Sun: 8:00-18:00"),
    active: fc.boolean(),
  });
  const routes = {
    auditlog: "/audit/",
    mail_read: "/mail/",
    policyread: "/policy/",
    configread: "/plugins/",
  };
  const property = fc.asyncProperty(given, async ({ listed, ...policy }) => {
    const own = { scope: "admin", action: ["apikey_write"], adminuser: "second" };
    await request("POST", "/policy/maker", { json: own });
    const { key } = await create(instance, { rights: listed }, { token });
    await request("POST", "/policy/maker", { json: { scope: "admin", ...policy } });
    for (const [name, path] of Object.entries(routes)) {
      const maker = (await request("GET", path, { token })).status;
      const expected = maker === 200 && listed.some((right) => right === name) ? 200 : 403;
      expect([name, (await request("GET", path, { token: key })).status]).toEqual([name, expected]);
    }
  });
  await fc.assert(property, { numRuns: 15, seed: 1 });
});

test("a sign-in that a key started ends with the key", async () => {
  await using server = await startTokenServer();
  await using instance = await testInstance();
  await saveMain(instance, server);
  const json = { name: "setup", rights: "smtpserver_write", servers: "main" };
  const { value } = await instance.request("POST", "/apikey/", { json });
  const { id, key } = value as { readonly id: string; readonly key: string };
  const [first, second] = [
    await consent(await start(instance, key)),
    await consent(await start(instance, key)),
  ];
  expect((await callback(instance, first)).status).toBe(200);
  await instance.request("DELETE", `/apikey/${id}`);
  expect(seen(await callback(instance, second))).toEqual([403, 303]);
});
