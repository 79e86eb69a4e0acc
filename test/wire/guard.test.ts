import { describe, expect, test } from "bun:test";
import { sign } from "hono/jwt";
import { Secret } from "../../src/domain/secret.ts";
import { ADMIN, goodClaims, type TestInstance, testInstance } from "../fixtures/instance.ts";
import type { RequestOptions, TestResponse } from "../fixtures/request.ts";

const ACTOR = { action: "cli test", administrator: "", realm: "", client: "", policies: "", requestId: "" };
const SECOND = { username: "second", realm: "" };
const PATH = "/smtpserver/";

const list = (instance: TestInstance, options: RequestOptions) => instance.request("GET", PATH, options);
const seen = ({ status, error }: TestResponse) => [status, error?.code];
const base64url = (value: object) =>
  new TextEncoder().encode(JSON.stringify(value)).toBase64({ alphabet: "base64url", omitPadding: true });

describe("a token", () => {
  test.each(["", "Bearer ", "bearer ", "BEARER  "])("is accepted after %j", async (prefix) => {
    await using instance = await testInstance();
    for (const name of ["Authorization", "PI-Authorization"]) {
      const headers = { [name]: `${prefix}${instance.token}` };
      expect((await list(instance, { token: null, headers })).status).toBe(200);
    }
  });

  test("in PI-Authorization wins over one in Authorization", async () => {
    await using instance = await testInstance();
    const bad = { "PI-Authorization": "garbage" };
    expect(seen(await list(instance, { headers: bad }))).toEqual([401, 4304]);
    const good = { "PI-Authorization": instance.token };
    expect((await list(instance, { token: "garbage", headers: good })).status).toBe(200);
  });

  test("that is empty counts as none", async () => {
    await using instance = await testInstance();
    expect(seen(await list(instance, { token: null, headers: { Authorization: "" } }))).toEqual([401, 4033]);
    const headers = { "PI-Authorization": "" };
    expect((await list(instance, { headers })).status).toBe(200);
    expect(seen(await list(instance, { token: null, headers }))).toEqual([401, 4033]);
  });

  type Forge = (instance: TestInstance) => Promise<string> | string;
  const forged: Readonly<Record<string, Forge>> = {
    "with alg none": async (instance) =>
      `${base64url({ alg: "none", typ: "JWT" })}.${base64url(await goodClaims(instance))}.`,
    "with alg none and its old signature": async ({ token }) => {
      const [, claims, signature] = token.split(".");
      return `${base64url({ alg: "none", typ: "JWT" })}.${claims}.${signature}`;
    },
    "with alg NONE in capitals": async (instance) =>
      `${base64url({ alg: "NONE", typ: "JWT" })}.${base64url(await goodClaims(instance))}.`,
    "of another secret": async (instance) => sign(await goodClaims(instance), "another secret", "HS256"),
    "of an empty secret": async (instance) => sign(await goodClaims(instance), "\0", "HS256"),
    "of the same secret with HS512": async (instance) => {
      const [, claims, signature] = (await instance.mint(await goodClaims(instance))).split(".");
      return `${base64url({ alg: "HS512", typ: "JWT" })}.${claims}.${signature}`;
    },
    "of an RSA key": async (instance) => {
      const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 2_048 };
      const parameters = { ...algorithm, publicExponent: Uint8Array.of(1, 0, 1) };
      const { privateKey } = await crypto.subtle.generateKey(parameters, true, ["sign", "verify"]);
      return sign(await goodClaims(instance), privateKey, "RS256");
    },
    "whose claims were changed": async ({ token }) => {
      const [header, , signature] = token.split(".");
      return `${header}.${base64url({ username: "admin", role: "admin" })}.${signature}`;
    },
    "cut short": ({ token }) => token.slice(0, -2),
    "with something after it": ({ token }) => `${token}.x`,
    "of other claims": (instance) => instance.mint({ hello: "world" }),
    "with a text for exp": async (instance) =>
      instance.mint({ ...(await goodClaims(instance)), exp: "never" }),
    "without exp": async (instance) => {
      const { exp: _, ...claims } = await goodClaims(instance);
      return instance.mint(claims);
    },
    "that is a password": () => "Basic YWRtaW46YWRtaW4=",
    "that is huge": () => "x".repeat(100_000),
  };

  test.each(Object.entries(forged))("%s is 4304", async (_, forge) => {
    await using instance = await testInstance();
    const response = await list(instance, { token: await forge(instance) });
    expect(seen(response)).toEqual([401, 4304]);
    expect(response.detail).toBeNull();
  });

  test("with the right secret and claims is accepted, so the table above can fail", async () => {
    await using instance = await testInstance();
    const token = await instance.mint(await goodClaims(instance));
    expect((await list(instance, { token })).status).toBe(200);
  });

  test("of another role is 4306", async () => {
    await using instance = await testInstance();
    const token = await instance.mint({ ...(await goodClaims(instance)), role: "user", admin_id: undefined });
    expect(seen(await list(instance, { token }))).toEqual([401, 4306]);
  });

  test("is valid as long as the setting requires, and not a second longer", async () => {
    await using instance = await testInstance({ tokenSeconds: 600 });
    instance.clock.advance(599);
    expect((await list(instance, {})).status).toBe(200);
    instance.clock.advance(1);
    expect(seen(await list(instance, {}))).toEqual([401, 4305]);
  });

  /** Changes to the second admin, who already has a token. */
  const changes: Readonly<Record<string, (instance: TestInstance) => Promise<unknown>>> = {
    "whose password was changed": ({ services }) =>
      services.admins.save(SECOND, { password: new Secret("another word") }, ACTOR),
    "who was disabled": ({ services }) => services.admins.save(SECOND, { enabled: false }, ACTOR),
    "who was disabled and enabled again": async ({ services }) => {
      await services.admins.save(SECOND, { enabled: false }, ACTOR);
      await services.admins.save(SECOND, { enabled: true }, ACTOR);
    },
    "who was deleted": ({ database }) =>
      database.commit([database.write.run("DELETE FROM admin WHERE username = 'second'")]),
    "who was deleted and made anew": async ({ database, services }) => {
      await database.commit([database.write.run("DELETE FROM admin WHERE username = 'second'")]);
      await services.admins.save(SECOND, { password: new Secret("a secret word") }, ACTOR);
    },
  };

  test.each(Object.entries(changes))("of an admin %s is 4305 immediately", async (_, change) => {
    await using instance = await testInstance();
    await instance.services.admins.save(SECOND, { password: new Secret("a secret word") }, ACTOR);
    const token = await instance.logIn("second", "a secret word");
    expect((await list(instance, { token })).status).toBe(200);
    await change(instance);
    expect(seen(await list(instance, { token }))).toEqual([401, 4305]);
    expect((await list(instance, {})).status).toBe(200);
  });

  test("lists rights but does not grant them", async () => {
    await using instance = await testInstance();
    const token = await instance.mint({ ...(await goodClaims(instance)), rights: [] });
    expect((await list(instance, { token })).status).toBe(200);
    await instance.request("POST", "/policy/p", { json: { scope: "admin", action: "policywrite" } });
    const all = await instance.mint({ ...(await goodClaims(instance)), rights: ["smtpserver_read", "*"] });
    expect(seen(await list(instance, { token: all }))).toEqual([403, 303]);
  });
});

describe("a right", () => {
  const SAVE = { json: { server: "a" } };
  const TEST = { json: { server: "a", recipient: "a@example.org", sender: "b@example.org" } };
  type Route = [right: string, method: string, path: string, options: RequestOptions];
  const ROUTES: Route[] = [
    ["smtpserver_read", "GET", "/smtpserver/", {}],
    ["smtpserver_read", "GET", "/smtpserver", {}],
    ["smtpserver_read", "GET", "/smtpserver/a", {}],
    ["smtpserver_write", "POST", "/smtpserver/a", SAVE],
    ["smtpserver_write", "POST", "/smtpserver/send_test_email", TEST],
    ["smtpserver_write", "DELETE", "/smtpserver/a", {}],
    ["policyread", "GET", "/policy/", {}],
    ["policyread", "GET", "/policy", {}],
    ["policyread", "GET", "/policy/all", {}],
    ["policywrite", "POST", "/policy/new", { json: { scope: "admin", action: "auditlog" } }],
    ["policywrite", "POST", "/policy/enable/all", {}],
    ["policywrite", "POST", "/policy/disable/new", {}],
    ["policydelete", "DELETE", "/policy/new", {}],
    ["auditlog", "GET", "/audit/", {}],
    ["auditlog", "GET", "/audit", {}],
    ["configread", "GET", "/plugins/", {}],
    ["configread", "GET", "/system/", {}],
    ["configwrite", "POST", "/system/setConfig", { json: {} }],
  ];

  async function restricted(action: readonly string[]): Promise<TestInstance> {
    const instance = await testInstance();
    const others = { scope: "admin", adminuser: ["somebody"], action: ["*"] };
    await instance.request("POST", "/smtpserver/a", SAVE);
    await instance.request("POST", "/policy/all", { json: { scope: "admin", action: ["*"] } });
    await instance.request("POST", "/policy/new", { json: others });
    await instance.request("POST", "/policy/all", { json: { scope: "admin", action } });
    return instance;
  }

  test.each(ROUTES)("%s opens %s %s", async (right, method, path, options) => {
    await using instance = await restricted([right, "policywrite"]);
    expect((await instance.request(method, path, options)).status).toBe(200);
  });

  test.each(ROUTES.filter(([right]) => right !== "policywrite"))(
    "%s is needed for %s %s",
    async (right, method, path, options) => {
      await using instance = await restricted(["*", `!${right}`]);
      const { status, error } = await instance.request(method, path, options);
      expect([status, error?.code]).toEqual([403, 303]);
      expect(error?.message).toBe(`Admin actions are defined, but the action ${right} is not allowed!`);
      for (const token of [null, "garbage"]) {
        expect((await instance.request(method, path, { ...options, token })).status).toBe(401);
      }
    },
  );

  test("depends on the client's address", async () => {
    await using instance = await testInstance();
    const json = (action: string[], client: string[] = []) => ({ json: { scope: "admin", action, client } });
    await instance.request("POST", "/policy/base", json(["policywrite"]));
    await instance.request(
      "POST",
      "/policy/office",
      json(["smtpserver_read"], ["192.0.2.0/24", "!192.0.2.66"]),
    );
    const statusFrom = async (peer: string | undefined) => (await list(instance, { peer })).status;
    expect(await statusFrom("192.0.2.1")).toBe(200);
    expect(await statusFrom("::ffff:192.0.2.1")).toBe(200);
    expect(await statusFrom("192.0.2.66")).toBe(403);
    expect(await statusFrom("198.51.100.1")).toBe(403);
    expect(await statusFrom(undefined)).toBe(403);
  });

  test("depends on the time in UTC", async () => {
    await using instance = await testInstance({ tokenSeconds: 604_800 });
    const json = (action: string[], time = "") => ({ json: { scope: "admin", action, time } });
    await instance.request("POST", "/policy/base", json(["policywrite"]));
    await instance.request("POST", "/policy/hours", json(["smtpserver_read"], "Mon: 8:00-12:30"));
    expect((await list(instance, {})).status).toBe(200);
    instance.clock.advance(31 * 60);
    expect((await list(instance, {})).status).toBe(403);
  });
});

test("the fixture logs ADMIN in", async () => {
  await using instance = await testInstance();
  expect((await instance.services.admins.list()).map((admin) => admin.username)).toEqual([ADMIN.username]);
});
