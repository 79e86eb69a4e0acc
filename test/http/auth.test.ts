import { describe, expect, test } from "bun:test";
import { decode } from "hono/jwt";
import { Secret } from "../../src/domain/secret.ts";
import { ADMIN, CHEAP, START, type TestInstance, testInstance } from "../fixtures/instance.ts";
import type { RequestOptions } from "../fixtures/request.ts";
import { create } from "./apikey-support.ts";

const ACTOR = { action: "cli test", administrator: "", realm: "", client: "", policies: "", requestId: "" };
const STAFF = { username: "alice", realm: "staff" };

const logIn = (instance: TestInstance, json: object, options: RequestOptions = {}) =>
  instance.request("POST", "/auth", { json, token: null, ...options });

describe("POST /auth", () => {
  test("returns a token and the fields that privacyIDEA clients read", async () => {
    await using instance = await testInstance();
    const { status, body, value } = await logIn(instance, ADMIN);
    expect(status).toBe(200);
    expect([body.id, body.result.authentication]).toEqual([2, "ACCEPT"]);
    expect(value).toEqual({
      token: expect.any(String),
      role: "admin",
      username: "admin",
      realm: "",
      rights: [
        "smtpserver_read",
        "smtpserver_write",
        "smtpserver_route",
        "policyread",
        "policywrite",
        "policydelete",
        "auditlog",
        "mail_read",
        "mail_write",
        "configread",
        "configwrite",
        "apikey_read",
        "apikey_write",
        "mail_send",
        "metrics_read",
        "adminread",
        "adminwrite",
      ],
      auth: true,
      log_level: 30,
      menus: [],
    });
    const { header, payload } = decode((value as { token: string }).token);
    expect(header).toEqual({ alg: "HS256", typ: "JWT" });
    const iat = START.getTime() / 1_000;
    expect(payload).toMatchObject({ username: "admin", realm: "", role: "admin", authtype: "password", iat });
    expect(payload.exp).toBe(iat + 3_600);
    expect(payload.nonce).toMatch(/^[0-9a-f]{40}$/);
  });

  test("accepts a form, and ignores an earlier token", async () => {
    await using instance = await testInstance();
    const { username, password } = ADMIN;
    expect((await instance.request("POST", "/auth", { form: { username, password } })).status).toBe(200);
  });

  test("lists the rights that the current policies grant", async () => {
    await using instance = await testInstance();
    await instance.request("POST", "/policy/p", {
      json: { scope: "admin", action: ["*", "!policydelete"] },
    });
    const { value } = await logIn(instance, ADMIN);
    expect(value).toMatchObject({
      rights: [
        "smtpserver_read",
        "smtpserver_write",
        "smtpserver_route",
        "policyread",
        "policywrite",
        "auditlog",
        "mail_read",
        "mail_write",
        "configread",
        "configwrite",
        "apikey_read",
        "apikey_write",
        "mail_send",
        "metrics_read",
        "adminread",
        "adminwrite",
      ],
    });
  });

  test("recognizes admins of a realm as user@realm and with the parameter realm", async () => {
    await using instance = await testInstance();
    await instance.services.admins.save(STAFF, { password: new Secret("a secret word") }, ACTOR);
    await instance.services.admins.save(
      { username: "x@y", realm: "" },
      { password: new Secret("a secret word") },
      ACTOR,
    );
    const password = "a secret word";
    for (const json of [
      { username: "alice@staff", password },
      { username: "alice@staff", password, realm: "" },
      { username: "alice@staff", password, realm: null },
      { username: "alice", password, realm: "staff" },
    ]) {
      expect((await logIn(instance, json)).value).toMatchObject(STAFF);
    }
    expect((await logIn(instance, { username: "x@y", password })).value).toMatchObject({
      username: "x@y",
      realm: "",
    });
    for (const json of [
      { username: "alice", password },
      { username: "alice@other", password },
      { username: "alice@staff", password, realm: "staff" },
      { username: "@staff", password },
    ]) {
      expect((await logIn(instance, json)).error?.code).toBe(4031);
    }
  });

  test("with a realm means the admin of that realm, else the local one", async () => {
    await using instance = await testInstance();
    await instance.services.admins.save(STAFF, { password: new Secret("a secret word") }, ACTOR);
    const local = { ...STAFF, realm: "" };
    await instance.services.admins.save(local, { password: new Secret("the local word") }, ACTOR);
    const meant = async (realm: string, password: string) =>
      (await logIn(instance, { username: STAFF.username, password, realm })).value;
    expect(await meant("staff", "a secret word")).toMatchObject(STAFF);
    expect(await meant("staff", "the local word")).toBeUndefined();
    for (const realm of ["default", "Staff", ""])
      expect(await meant(realm, "the local word")).toMatchObject(local);
  });

  test("returns the same response for every reason to reject", async () => {
    await using instance = await testInstance();
    await instance.services.admins.save(
      { username: "off", realm: "" },
      { password: new Secret("a secret word") },
      ACTOR,
    );
    await instance.services.admins.save({ username: "off", realm: "" }, { enabled: false }, ACTOR);
    const responses = await Promise.all(
      [
        { username: "admin", password: "wrong" },
        { username: "nobody", password: "wrong" },
        { username: "off", password: "a secret word" },
        { username: "off", password: "wrong" },
        { username: "admin", password: "x".repeat(2_000) },
        { username: "nobody", password: "x".repeat(2_000) },
        { username: "off", password: "a secret word", realm: "other" },
        { username: "ADMIN", password: ADMIN.password },
        { username: "admin ", password: ADMIN.password },
      ].map((json) => logIn(instance, json)),
    );
    expect(new Set(responses.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(responses[0]).toMatchObject({ status: 401, error: { code: 4031 }, detail: null });
  });

  test("takes as long for an unknown name", async () => {
    await using instance = await testInstance({ passwordCost: { ln: 13, r: 8, p: 1 } });
    const timeOf = async (username: string) => {
      const startMs = performance.now();
      await logIn(instance, { username, password: "wrong" }, { peer: `198.51.100.${peer++}` });
      return performance.now() - startMs;
    };
    let peer = 1;
    let [known, unknown] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    const differ = () => unknown <= known / 2 || known <= unknown / 2;
    // In turns and the fastest of each, because a busy machine only adds to a time, and more of them compare better.
    for (let i = 0; i < 8 || (i < 80 && differ()); i++) {
      known = Math.min(known, await timeOf("admin"));
      unknown = Math.min(unknown, await timeOf("nobody"));
    }
    // A missing key derivation would be ten times as fast.
    expect(unknown).toBeGreaterThan(known / 2);
    expect(known).toBeGreaterThan(unknown / 2);
  });

  test("rejects a password that is not a string with 905, not as wrong", async () => {
    await using instance = await testInstance();
    expect((await logIn(instance, { username: "admin", password: 1 })).error?.code).toBe(905);
    expect((await logIn(instance, { username: ["admin"], password: "x" })).error?.code).toBe(905);
  });

  test("replaces a stored hash whose parameters have changed", async () => {
    await using instance = await testInstance();
    const hashOf = async () => (await instance.services.admins.list())[0];
    const { database, services } = instance;
    const old = await hashOf();
    const { hashPassword } = await import("../../src/secrets/password.ts");
    const stronger = await hashPassword(ADMIN.password, {
      randomBytes: instance.platform.randomBytes,
      cost: { ...CHEAP, ln: 3 },
    });
    await database.commit([database.write.run(`UPDATE admin SET password_hash = '${stronger}'`)]);
    expect((await logIn(instance, { ...ADMIN, password: "wrong" })).status).toBe(401);
    expect((await hashOf())?.passwordHash).toBe(stronger);
    expect((await logIn(instance, ADMIN)).status).toBe(200);
    const fresh = await hashOf();
    expect(fresh?.passwordHash).toStartWith("$scrypt$ln=1,r=8,p=1$");
    expect(fresh?.generation).toBe(old?.generation ?? 0);
    expect((await logIn(instance, ADMIN)).status).toBe(200);
    expect((await services.admins.list())[0]?.passwordHash).toBe(fresh?.passwordHash ?? "");
  });
});

describe("GET /auth", () => {
  const caller = (instance: TestInstance, options: RequestOptions = {}) =>
    instance.request("GET", "/auth", options);

  test("shows an admin with the rights of the current policies, not of the token", async () => {
    await using instance = await testInstance();
    const before = await caller(instance);
    const { rights } = (await logIn(instance, ADMIN)).value as { rights: string[] };
    expect(before.value).toEqual({ username: "admin", realm: "", role: "admin", rights, apikey: null });
    await instance.request("POST", "/policy/p", { json: { scope: "admin", action: "policywrite,auditlog" } });
    expect((await caller(instance)).value).toMatchObject({ rights: ["policywrite", "auditlog"] });
  });

  test("shows an admin of a realm who has no right", async () => {
    await using instance = await testInstance();
    await instance.services.admins.save(STAFF, { password: new Secret("a secret word") }, ACTOR);
    await instance.request("POST", "/policy/p", {
      json: { scope: "admin", action: "*", adminuser: ADMIN.username },
    });
    const token = await instance.logIn("alice@staff", "a secret word");
    expect((await caller(instance, { token })).value).toEqual({
      ...{ ...STAFF, role: "admin", rights: [], apikey: null },
    });
  });

  test("shows an API key, limited to its rights and to those of its admin", async () => {
    await using instance = await testInstance();
    const { id, key } = await create(instance, {
      ...{ rights: ["smtpserver_read", "auditlog"], servers: ["main"] },
      expires_at: "2027-01-31T12:00:00Z",
    });
    const { value, text } = await caller(instance, { token: key });
    const apikey = { id, name: "shop", servers: ["main"], expires_at: "2027-01-31T12:00:00.000Z" };
    const rights = ["smtpserver_read", "auditlog"];
    expect(value).toEqual({ username: "admin", realm: "", role: "admin", rights, apikey });
    expect(text).not.toContain(key);
    const json = { scope: "admin", action: ["*", "!auditlog"] };
    await instance.request("POST", "/policy/p", { json });
    expect((await caller(instance, { token: key })).value).toMatchObject({ rights: ["smtpserver_read"] });
  });

  test("rejects no credential, a deleted key, and a key from another network", async () => {
    await using instance = await testInstance();
    expect((await caller(instance, { token: null })).error?.code).toBe(4033);
    const { id, key } = await create(instance, { rights: ["auditlog"] });
    const elsewhere = await create(instance, { rights: ["auditlog"], client: ["192.0.2.0/24"] });
    expect((await caller(instance, { token: elsewhere.key, peer: "198.51.100.1" })).error?.code).toBe(303);
    await instance.request("DELETE", `/apikey/${id}`);
    expect((await caller(instance, { token: key })).status).toBe(401);
  });
});
