import { describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { Secret } from "../../src/domain/secret.ts";
import { openDatabase } from "../../src/storage/open-database.ts";
import { PEER, realRandomBytes, START, type TestInstance, testInstance } from "../fixtures/instance.ts";
import type { RequestOptions } from "../fixtures/request.ts";
import { countedDatabase } from "../mail/fixtures/counted.ts";
import { temporaryFile } from "../storage/fixtures/database.ts";
import { ACTOR, create, DEFINITION, listed, SECOND, seen } from "./apikey-support.ts";

const HOUR = 3_600;

const auditOf = async (instance: TestInstance) =>
  ((await instance.request("GET", "/audit/")).value as { auditdata: Record<string, unknown>[] }).auditdata;

describe("POST /apikey/", () => {
  test("shows the key this once, and stores only its hash", async () => {
    await using instance = await testInstance();
    const given = {
      rights: "smtpserver_read, metrics_read",
      servers: ["main"],
      client: "192.0.2.0/24",
      expires_at: "2027-01-31T12:00:00+01:00",
    };
    const { id, key } = await create(instance, given);
    expect(key).toMatch(/^sp_[\w-]{43}$/);
    const { text, value } = await instance.request("GET", "/apikey");
    expect(value).toEqual([
      {
        id,
        name: "shop",
        rights: ["smtpserver_read", "metrics_read"],
        servers: ["main"],
        client: ["192.0.2.0/24"],
        administrator: "admin",
        realm: "",
        created_at: START.toISOString(),
        expires_at: "2027-01-31T11:00:00.000Z",
        last_used_at: null,
      },
    ]);
    const rows = JSON.stringify(await instance.database.read.all(sql`SELECT * FROM api_key`));
    const audit = JSON.stringify(await auditOf(instance));
    for (const place of [text, rows, audit]) expect(place).not.toContain(key.slice(3, 20));
    expect(audit).toContain(id);
  });

  test("makes a different key each time", async () => {
    await using instance = await testInstance();
    const keys = [
      await create(instance, { rights: "auditlog" }),
      await create(instance, { rights: "auditlog" }),
    ];
    expect(keys[0]?.key).not.toBe(keys[1]?.key);
    expect(await listed(instance)).toHaveLength(2);
  });

  const INVALID: readonly [parameter: string, given: object][] = [
    ["name", { name: undefined }],
    ["name", { name: "a(b)" }],
    ["name", { name: "a\u202eb" }],
    ["name", { name: "x".repeat(65) }],
    ["rights", { rights: undefined }],
    ["rights", { rights: [] }],
    ["rights", { rights: ["auditlog", "fly"] }],
    ["rights", { rights: "*" }],
    ["rights", { rights: "!auditlog" }],
    ["servers", { servers: ["a/b"] }],
    ["client", { client: ["192.0.2.0/33"] }],
    ["client", { client: "office" }],
    ["client", { client: "!192.0.2.1" }],
    ["expires_at", { expires_at: "tomorrow" }],
    ["expires_at", { expires_at: "2027-01-31" }],
    ["expires_at", { expires_at: START.toISOString() }],
    ["expires_at", { expires_at: "2020-01-31T12:00:00Z" }],
  ];
  test("rejects invalid parameters by their names", async () => {
    await using instance = await testInstance();
    for (const [parameter, given] of INVALID) {
      const json = { name: "shop", rights: ["auditlog"], ...given };
      const response = await instance.request("POST", "/apikey/", { json });
      expect(seen(response)).toEqual([400, 905]);
      expect(response.error?.message).toContain(`parameter: ${parameter}`);
    }
    expect(await listed(instance)).toEqual([]);
  });

  test("names the right that a misspelled one probably is", async () => {
    await using instance = await testInstance();
    const json = { name: "shop", rights: "auditlog, mail_snd" };
    const { error } = await instance.request("POST", "/apikey/", { json });
    expect(error?.message).toMatch(/parameter: rights: expected .*, did you mean mail_send\?$/);
  });

  test("names unknown parameters", async () => {
    await using instance = await testInstance();
    const json = { name: "shop", rights: ["auditlog"], server: "main" };
    const { detail } = await instance.request("POST", "/apikey/", { json });
    expect(detail).toMatchObject({ notices: [{ parameter: "server" }] });
    expect((detail as { readonly warnings: readonly string[] }).warnings).toHaveLength(1);
  });
});

describe("an API key", () => {
  test("is accepted in three headers, also without Bearer", async () => {
    await using instance = await testInstance();
    const { key } = await create(instance, { rights: "auditlog" });
    const tokens = ["Authorization", "PI-Authorization"].flatMap((name) =>
      ["Bearer ", "bearer ", ""].map((prefix) => ({ [name]: `${prefix}${key}` })),
    );
    for (const headers of [...tokens, { "X-API-Key": key }]) {
      const options = { token: null, headers };
      expect(seen(await instance.request("GET", "/audit/", options))).toEqual([200, undefined]);
      expect(seen(await instance.request("GET", "/mail/", options))).toEqual([403, 303]);
    }
  });

  test("in X-API-Key counts only if nothing else authenticates; another form of it is ignored", async () => {
    await using instance = await testInstance();
    const { key } = await create(instance, { rights: "auditlog" });
    const statusOf = async (options: RequestOptions) =>
      seen(await instance.request("GET", "/mail/", options));
    expect(await statusOf({ headers: { "X-API-Key": key } })).toEqual([200, undefined]);
    expect(await statusOf({ headers: { "X-API-Key": "privacyidea" } })).toEqual([200, undefined]);
    expect(await statusOf({ token: null, headers: { "X-API-Key": "privacyidea" } })).toEqual([401, 4033]);
    expect(await statusOf({ token: null, headers: { "X-API-Key": key.slice(0, -1) } })).toEqual([401, 4304]);
    expect(await statusOf({ token: "garbage", headers: { "X-API-Key": key } })).toEqual([401, 4304]);
  });

  test("that is unknown, cut short or deleted is 401", async () => {
    await using instance = await testInstance();
    const { id, key } = await create(instance, { rights: "auditlog" });
    const unknown = `sp_${"A".repeat(43)}`;
    for (const token of [unknown, key.slice(0, -1), `${key}A`, key.slice(3), key.toLowerCase()]) {
      expect(seen(await instance.request("GET", "/audit/", { token }))).toEqual([401, 4304]);
    }
    expect((await instance.request("GET", "/audit/", { token: key })).status).toBe(200);
    expect((await instance.request("DELETE", `/apikey/${id}`)).value).toBe(true);
    expect(seen(await instance.request("GET", "/audit/", { token: key }))).toEqual([401, 4304]);
    expect(seen(await instance.request("DELETE", `/apikey/${id}`))).toEqual([404, 601]);
    expect(seen(await instance.request("DELETE", "/apikey/unknown"))).toEqual([404, 601]);
  });

  test("that is wrong counts like a wrong token: one audit row for a network and minute", async () => {
    await using instance = await testInstance();
    for (let index = 0; index < 3; index++) {
      await instance.request("GET", "/audit/", { token: `sp_${"A".repeat(43)}` });
    }
    const rows = (await auditOf(instance)).filter(({ info }) => info === "bad_token");
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ count: 3, administrator: "", client: PEER, success: false });
  });

  test("expires at its time", async () => {
    await using instance = await testInstance({ tokenSeconds: 10 * HOUR });
    const expires_at = new Date(START.getTime() + HOUR * 1_000).toISOString();
    const { key } = await create(instance, { rights: "auditlog", expires_at });
    instance.clock.advance(HOUR - 1);
    expect((await instance.request("GET", "/audit/", { token: key })).status).toBe(200);
    instance.clock.advance(1);
    expect(seen(await instance.request("GET", "/audit/", { token: key }))).toEqual([401, 4305]);
  });

  test("from another network is 403, also from an unknown address, and audited under its name", async () => {
    await using instance = await testInstance();
    const { key } = await create(instance, { rights: "auditlog", client: "192.0.2.0/24,2001:db8::/32" });
    const from = async (peer: string | undefined) =>
      seen(await instance.request("GET", "/audit/", { token: key, peer }));
    expect(await from("192.0.2.1")).toEqual([200, undefined]);
    expect(await from("::ffff:192.0.2.1")).toEqual([200, undefined]);
    expect(await from("2001:db8::1")).toEqual([200, undefined]);
    expect(await from("198.51.100.1")).toEqual([403, 303]);
    expect(await from(undefined)).toEqual([403, 303]);
    const denied = (await auditOf(instance)).filter(({ info }) => info === "action_denied");
    expect(denied.map(({ administrator }) => administrator)).toEqual(Array(2).fill("admin (API key shop)"));
  });

  test("in the query is 401 at every route, and does not appear in the response", async () => {
    await using instance = await testInstance();
    const { key } = await create(instance, { rights: "auditlog" });
    const queries = [
      { anything: key },
      { token: `Bearer ${key}` },
      { [key]: "" },
      { apikey: "x" },
      { API_KEY: "" },
    ];
    for (const path of ["/audit/", "/healthz", "/openapi.json", "/nowhere"]) {
      for (const query of queries) {
        const response = await instance.request("GET", path, { query });
        expect(seen(response)).toEqual([401, 4304]);
        expect(response.text).not.toContain(key);
      }
    }
    expect((await instance.request("GET", "/audit/", { query: { administrator: "sp_x" } })).status).toBe(200);
  });

  test("logs no one in", async () => {
    await using instance = await testInstance();
    const { key } = await create(instance, { rights: "auditlog" });
    const json = { username: "admin", password: key };
    expect(seen(await instance.request("POST", "/auth", { json, token: null }))).toEqual([401, 4031]);
    const empty = { json: { username: "admin", password: "" }, token: key };
    expect((await instance.request("POST", "/auth", empty)).status).toBe(401);
  });

  test("is void while its admin is disabled, outlives a new password, and is deleted with the admin", async () => {
    await using instance = await testInstance();
    const { admins } = instance.services;
    await admins.save(SECOND, { password: new Secret("a good long secret") }, ACTOR);
    const token = await instance.logIn("second", "a good long secret");
    const { key } = await create(instance, { rights: "auditlog" }, { token });
    const status = async () => (await instance.request("GET", "/audit/", { token: key })).status;
    await admins.save(SECOND, { password: new Secret("another good secret") }, ACTOR);
    expect(await status()).toBe(200);
    await admins.save(SECOND, { enabled: false }, ACTOR);
    expect(await status()).toBe(401);
    await admins.save(SECOND, { enabled: true }, ACTOR);
    expect(await status()).toBe(200);
    await instance.database.commit([
      instance.database.write.run("DELETE FROM admin WHERE username = 'second'"),
    ]);
    expect(await status()).toBe(401);
    expect(
      await instance.database.read.all(sql`SELECT id FROM api_key UNION ALL SELECT id FROM api_key_use`),
    ).toEqual([]);
    await admins.save(SECOND, { password: new Secret("a good long secret") }, ACTOR);
    expect(await status()).toBe(401);
  });

  test("that another server deletes is void at the next request", async () => {
    using file = temporaryFile();
    const open = () =>
      testInstance({ database: openDatabase({ url: file.url, randomBytes: realRandomBytes }) });
    await using one = await open();
    await using other = await open();
    const { id, key } = await create(one, { rights: "smtpserver_read,mail_read" });
    for (const path of ["/smtpserver/", "/mail/"]) {
      expect((await other.request("GET", path, { token: key })).status).toBe(200);
    }
    await one.request("DELETE", `/apikey/${id}`);
    for (const path of ["/mail/", "/smtpserver/"]) {
      expect((await other.request("GET", path, { token: key })).status).toBe(401);
    }
  });
});

describe("the use of a key", () => {
  const useOf = async (instance: TestInstance) => (await listed(instance))[0]?.last_used_at;
  const countersOf = ({ database }: TestInstance) =>
    database.read.all(sql`SELECT * FROM epoch ORDER BY part`);

  test("is stored at most once an hour, and changes no cached table", async () => {
    await using instance = await testInstance({ tokenSeconds: 10 * HOUR });
    const { key } = await create(instance, { rights: "mail_read,smtpserver_write" });
    const before = await countersOf(instance);
    const use = () => instance.request("GET", "/mail/", { token: key });
    await use();
    expect(await useOf(instance)).toBe(START.toISOString());
    instance.clock.advance(HOUR - 1);
    await use();
    expect(await useOf(instance)).toBe(START.toISOString());
    instance.clock.advance(1);
    await use();
    expect(await useOf(instance)).toBe(new Date(START.getTime() + HOUR * 1_000).toISOString());
    expect(await countersOf(instance)).toEqual(before);
  });

  test("costs one read, as that of a token does, and a commit only when it is stored", async () => {
    const counted = countedDatabase();
    await using instance = await testInstance({ database: counted.database });
    const { key } = await create(instance, { rights: "mail_read,smtpserver_read" });
    const costOf = async (path: string, token: string) => {
      const before = { reads: counted.reads, writes: counted.writes };
      expect((await instance.request("GET", path, { token })).status).toBe(200);
      return [counted.reads - before.reads, counted.writes - before.writes];
    };
    await costOf("/mail/", key);
    for (const path of ["/mail/", "/smtpserver/"]) {
      for (const token of [instance.token, key]) expect(await costOf(path, token)).toEqual([1, 0]);
    }
  });

  test("is not stored for a rejected request", async () => {
    await using instance = await testInstance();
    const { key } = await create(instance, { rights: "mail_read", client: "198.51.100.0/24" });
    await instance.request("GET", "/mail/", { token: key });
    expect(await useOf(instance)).toBeNull();
  });

  test("is audited under its name; reading writes no row", async () => {
    await using instance = await testInstance();
    const { key } = await create(instance, { rights: "smtpserver_write,mail_read" });
    const before = (await auditOf(instance)).length;
    await instance.request("GET", "/mail/", { token: key });
    expect(await auditOf(instance)).toHaveLength(before);
    await instance.request("POST", "/smtpserver/main", { token: key, json: DEFINITION });
    expect((await auditOf(instance))[0]).toMatchObject({
      action: "POST /smtpserver/<identifier>",
      administrator: "admin (API key shop)",
      identifier: "main",
    });
  });
});
