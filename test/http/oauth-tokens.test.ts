import { describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { definePlugin, type SealpostEvent } from "sealpost/plugin";
import * as v from "valibot";
import { createConnect } from "../../src/transport/connect.ts";
import { createSmtpTransport } from "../../src/transport/smtp/index.ts";
import { START, type TestInstance, testInstance } from "../fixtures/instance.ts";
import { CLIENT, invalidGrant, startTokenServer, type TokenServer } from "../fixtures/token-server.ts";

const DAY_SECONDS = 86_400;
const TWELVE = Array.from({ length: 12 }, (_, index) => index);
const MESSAGE = { to: [{ name: "", address: "ann@example.net" }], subject: "x", text: "x" };
/** No mail server listens here. The token comes first. */
const NOWHERE = { server: "127.0.0.1:1", tls: true, username: "box@example.com", auth: "oauth2" };

/** An instance with a token server, and the events that it emits. */
async function oauthInstance() {
  const received: SealpostEvent[] = [];
  const listener = definePlugin({
    name: "listener",
    options: v.object({}),
    setup: () => ({ on: { oauth_failed: (event) => void received.push(event) } }),
  });
  const transport = createSmtpTransport({
    connect: createConnect({ egress: "private", ports: [] }),
    ehloName: "sealpost.test",
    now: () => START,
  });
  const server = await startTokenServer();
  const instance = await testInstance({ transport, plugins: [listener()] });
  return {
    server,
    instance,
    received,
    async [Symbol.asyncDispose]() {
      await instance[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const bySecret = ({ tokenUrl }: TokenServer, own = {}) => ({
  ...NOWHERE,
  oauth_token_url: tokenUrl,
  oauth_client_id: CLIENT.id,
  oauth_client_secret: CLIENT.secret,
  ...own,
});
const byRefreshToken = (server: TokenServer, token: string) =>
  bySecret(server, { oauth_flow: "refresh_token", oauth_refresh_token: token });

async function save({ request }: TestInstance, json: object, name = "main"): Promise<void> {
  expect((await request("POST", `/smtpserver/${name}`, { json })).status).toBe(200);
}

/** Checks the definition until there is a token. */
async function check({ request }: TestInstance, json: object = {}, path = "main/send_test_email") {
  const { value, detail } = await request("POST", `/smtpserver/${path}`, {
    json: { ...json, until: "oauth" },
  });
  return { isReached: value, delivery: detail?.delivery };
}

const count = async ({ database }: TestInstance, table: string) => {
  const [row] = await database.read.all<{ n: number }>(sql.raw(`SELECT count(*) AS n FROM ${table}`));
  return row?.n;
};

describe("a broken secret", () => {
  test("costs at most 2 requests for 12 tests at a time, 3 with 12 more, and 4 with 12 queued messages", async () => {
    await using context = await oauthInstance();
    const { instance, server } = context;
    const broken = bySecret(server, { oauth_client_secret: "wrong" });
    await Promise.all(TWELVE.map(() => check(instance, broken, "send_test_email")));
    expect(server.tokenRequests.length).toBeLessThanOrEqual(2);
    for (const _ of TWELVE) {
      expect(await check(instance, broken, "send_test_email")).toMatchObject({
        isReached: false,
        delivery: { phase: "oauth", code: "oauth_client", oauth: { codes: ["AADSTS7000215"] } },
      });
    }
    expect(server.tokenRequests.length).toBeLessThanOrEqual(3);
    await save(instance, broken);
    for (const _ of TWELVE) await instance.services.submit("main", MESSAGE, { queue: true });
    await drain(instance);
    expect(server.tokenRequests.length).toBeLessThanOrEqual(4);
  });

  test("is tried again as soon as the definition is saved", async () => {
    await using context = await oauthInstance();
    const { instance, server } = context;
    await save(instance, bySecret(server, { oauth_client_secret: "wrong" }));
    expect((await check(instance)).isReached).toBe(false);
    await save(instance, bySecret(server));
    expect((await check(instance)).isReached).toBe(true);
    expect(server.tokenRequests).toHaveLength(2);
  });

  test("is a line in the audit log, an event and the health of the server, once a day", async () => {
    await using context = await oauthInstance();
    const { instance, server, received } = context;
    await save(instance, bySecret(server, { oauth_client_secret: "wrong" }));
    await check(instance);
    instance.clock.advance(600);
    await check(instance);
    await instance.services.settled();
    expect(server.tokenRequests).toHaveLength(2);
    expect(received.map(({ data }) => data)).toEqual([
      { identifier: "main", phase: "oauth", code: "oauth_client" },
    ]);
    const rows = await instance.database.read.all<object>(
      sql`SELECT identifier, success, phase, info FROM audit WHERE action = 'oauth token'`,
    );
    expect(rows).toEqual([
      { identifier: "main", success: 0, phase: "oauth", info: "oauth_client AADSTS7000215" },
    ]);
    const { detail } = await instance.request("GET", "/smtpserver/main");
    expect(detail).toMatchObject({ health: { last_failure: { phase: "oauth", code: "oauth_client" } } });
    expect(JSON.stringify(detail)).not.toContain("wrong");
  });
});

describe("the daily work", () => {
  test("uses a refresh token that no message has used for 25 days", async () => {
    await using context = await oauthInstance();
    const { instance, server } = context;
    server.rotation = "strict";
    await save(instance, byRefreshToken(server, server.createRefreshToken()));
    await instance.services.prune();
    expect(server.tokenRequests).toHaveLength(1);
    instance.clock.advance(25 * DAY_SECONDS);
    await instance.services.prune();
    expect(server.tokenRequests).toHaveLength(1);
    instance.clock.advance(DAY_SECONDS);
    await instance.services.prune();
    expect(server.tokenRequests).toHaveLength(2);
    const main = await instance.services.servers.load("main");
    expect(await main?.tokens?.get({ signal: new AbortController().signal })).toMatchObject({
      successful: true,
    });
  });

  test("reports a dead refresh token each day, and uses those of other definitions", async () => {
    await using context = await oauthInstance();
    const { instance, server, received } = context;
    await save(instance, byRefreshToken(server, server.createRefreshToken()), "alive");
    await save(instance, byRefreshToken(server, "dead"), "dead");
    for (let day = 0; day < 2; day++) {
      await instance.services.prune();
      instance.clock.advance(DAY_SECONDS);
    }
    await instance.services.settled();
    expect(received.map(({ data }) => data)).toEqual([
      { identifier: "dead", phase: "oauth", code: "oauth_grant" },
      { identifier: "dead", phase: "oauth", code: "oauth_grant" },
    ]);
    expect(await instance.services.circuit.health("dead")).toMatchObject({
      failures: 2,
      lastFailure: { phase: "oauth", code: "oauth_grant" },
    });
    expect(server.tokenRequests.map(({ fields }) => fields.refresh_token)).toHaveLength(3);
  });

  test("reports nothing about an endpoint that is only unavailable", async () => {
    await using context = await oauthInstance();
    const { instance, server, received } = context;
    await save(instance, byRefreshToken(server, server.createRefreshToken()));
    server.misbehave(invalidGrant(90_033));
    await instance.services.prune();
    await instance.services.settled();
    expect(received).toEqual([]);
    const { detail } = await instance.request("GET", "/smtpserver/main");
    expect(detail).toMatchObject({ health: { last_failure: { code: "oauth_unavailable" } } });
  });

  test("deletes the tokens of tests, and keeps those of definitions", async () => {
    await using context = await oauthInstance();
    const { instance, server } = context;
    server.rotation = "lenient";
    await save(instance, byRefreshToken(server, server.createRefreshToken()));
    await check(instance);
    await check(instance, byRefreshToken(server, server.createRefreshToken()), "send_test_email");
    expect(await count(instance, "oauth_grant")).toBe(2);
    instance.clock.advance(3 * DAY_SECONDS);
    await instance.services.prune();
    expect(await count(instance, "oauth_grant")).toBe(1);
    expect(await count(instance, "oauth_token")).toBe(0);
  });
});

describe("stored tokens", () => {
  test("end with their definition", async () => {
    await using context = await oauthInstance();
    const { instance, server } = context;
    server.rotation = "lenient";
    await save(instance, byRefreshToken(server, server.createRefreshToken()));
    await check(instance);
    await save(instance, { ...NOWHERE, description: "changed" });
    expect(await count(instance, "oauth_token")).toBe(0);
    expect(await count(instance, "oauth_grant")).toBe(1);
    await instance.request("DELETE", "/smtpserver/main");
    expect(await count(instance, "oauth_grant")).toBe(0);
  });

  test("are re-encrypted with the first key", async () => {
    await using context = await oauthInstance();
    const { instance, server } = context;
    server.rotation = "lenient";
    await save(instance, byRefreshToken(server, server.createRefreshToken()));
    await check(instance);
    const { current } = await instance.services.rekey();
    await instance.request("DELETE", "/smtpserver/main");
    // The client secret and the refresh token, and what followed from them.
    expect(current - (await instance.services.rekey()).current).toBe(4);
  });
});

/** Attempts the queued mail that is due. */
async function drain({ services }: TestInstance): Promise<void> {
  const { signal } = new AbortController();
  await services.drain({ endsMs: Number.POSITIVE_INFINITY, messageTimeoutMs: 0, signal });
}
