import { describe, expect, test } from "bun:test";
import { type TestInstance, testInstance } from "../../fixtures/instance.ts";
import { issue, MAIL_EXTENSIONS } from "../../fixtures/smime/authority.ts";
import { privateKey } from "../../fixtures/smime/keys.ts";
import { isInstalled } from "../../fixtures/smime/openssl.ts";
import {
  CLIENT,
  hangUp,
  oauthError,
  slowDown,
  startTokenServer,
  type TokenServer,
} from "../../fixtures/token-server.ts";
import { saveMain, storedToken } from "../../http/oauth-support.ts";

const ACTOR = {
  action: "cli server login",
  administrator: "operator",
  realm: "",
  client: "",
  policies: "",
  requestId: "",
};

/** Signs in on a device. @param polled is called before each poll, with its pause in seconds. */
async function signIn(instance: TestInstance, polled: (seconds: number, index: number) => void) {
  const started = await instance.services.signIns.startOnDevice("main", ACTOR);
  if (!started.successful) return started;
  let index = 0;
  return started.finish(async (ms) => {
    polled(ms / 1_000, index++);
    instance.clock.advance(ms / 1_000);
  });
}

/** A server that may be polled without a pause. */
const server = () => startTokenServer({ deviceIntervalSeconds: 0.001 });

async function auditRows(instance: TestInstance) {
  const { value } = await instance.request("GET", "/audit/", { query: { action: "cli*" } });
  return (value as { auditdata: Record<string, unknown>[] }).auditdata;
}

/** Has the user decide before the poll with this index. */
function decideAt(tokens: TokenServer, decision: TokenServer["device"], poll: number) {
  return (_: number, index: number) => {
    if (index === poll) tokens.device = decision;
  };
}

describe("a sign-in by device code", () => {
  test("shows the code, polls until the user approves, and stores the refresh token with an audit row", async () => {
    await using tokens = await server();
    await using instance = await testInstance();
    await saveMain(instance, tokens);
    const started = await instance.services.signIns.startOnDevice("main", ACTOR);
    expect(started).toMatchObject({
      successful: true,
      userCode: "ABCD-EFGH",
      verificationUri: `${tokens.origin}/device`,
      expiresInSeconds: 900,
    });
    const result = await signIn(instance, decideAt(tokens, "approved", 2));
    expect(result).toEqual({ successful: true, identifier: "main", notices: [] });
    expect(tokens.tokenRequests).toHaveLength(3);
    expect(await storedToken(instance)).toBe("__CENSORED__");
    expect(await auditRows(instance)).toMatchObject([
      { success: true, administrator: "operator", identifier: "main", fields: "oauth_refresh_token" },
    ]);
  });

  test("sends the client secret to the token endpoint only", async () => {
    await using tokens = await server();
    await using instance = await testInstance();
    await saveMain(instance, tokens);
    await signIn(instance, decideAt(tokens, "approved", 0));
    const [asked, polled] = tokens.requests;
    expect(asked?.fields).toEqual({ client_id: CLIENT.id, scope: "mail offline_access openid email" });
    expect(polled?.fields.client_secret).toBe(CLIENT.secret);
  });

  test.skipIf(!isInstalled("openssl"))("signs with a key of RSASSA-PSS", async () => {
    const key = await privateKey("pss256");
    const certificate = await issue({ key, subject: "/CN=client", extensions: MAIL_EXTENSIONS });
    await using tokens = await server();
    await using instance = await testInstance();
    const pair = { oauth_private_key: key, oauth_certificate: certificate };
    await saveMain(instance, tokens, { oauth_client_secret: "", ...pair });
    await signIn(instance, () => undefined);
    expect(tokens.tokenRequests[0]?.fields.client_assertion).toStartWith("eyJ");
  });

  test("polls more slowly after slow_down and after a lost connection (RFC 8628 3.5)", async () => {
    await using tokens = await startTokenServer();
    await using instance = await testInstance();
    await saveMain(instance, tokens);
    for (const misbehavior of [slowDown(), hangUp()]) tokens.misbehave(misbehavior);
    const pauses: number[] = [];
    tokens.device = "declined";
    await signIn(instance, (seconds) => pauses.push(seconds));
    expect(pauses.slice(0, 3)).toEqual([1, 6, 11]);
  });

  test.each([
    [0.001, 1],
    [1e9, 900],
  ])("keeps an interval of %d s within a second and the life of the codes", async (interval, pause) => {
    await using tokens = await startTokenServer({ deviceIntervalSeconds: interval });
    await using instance = await testInstance();
    await saveMain(instance, tokens);
    tokens.device = "declined";
    const pauses: number[] = [];
    await signIn(instance, (seconds) => pauses.push(seconds));
    expect(pauses[0]).toBe(pause);
  });

  test.each([
    ["declines", "declined", "access_denied"],
    ["is too slow", "expired", "expired_token"],
  ] as const)("ends without a token if the user %s", async (_, decision, error) => {
    await using tokens = await server();
    await using instance = await testInstance();
    await saveMain(instance, tokens);
    const result = await signIn(instance, decideAt(tokens, decision, 1));
    expect(result).toMatchObject({
      successful: false,
      problem: "token",
      info: `oauth sign-in token ${error}`,
    });
    expect(await storedToken(instance)).toBe("");
    expect(await auditRows(instance)).toMatchObject([
      { success: false, info: `oauth sign-in token ${error}` },
    ]);
  });

  test("ends when the codes have expired, even if the endpoint does not say so", async () => {
    await using tokens = await server();
    await using instance = await testInstance();
    await saveMain(instance, tokens);
    tokens.misbehave(slowDown(), 1_000);
    const result = await signIn(instance, () => undefined);
    expect(result.successful).toBe(false);
    expect(tokens.tokenRequests.length).toBeLessThan(30);
  });

  test("stores nothing for another mailbox", async () => {
    await using tokens = await server();
    await using instance = await testInstance();
    await saveMain(instance, tokens);
    tokens.user = "other@example.com";
    expect(await signIn(instance, decideAt(tokens, "approved", 0))).toMatchObject({ problem: "mailbox" });
    expect(await storedToken(instance)).toBe("");
  });

  test.each([
    ["info@b\u00fccher.example", "info@xn--bcher-kva.example"],
    ["info@xn--bcher-kva.example", "info@B\u00dcCHER.example"],
    ["jo\u0308rg@example.com", "J\u00f6rg@example.com"],
  ])("stores the refresh token of the mailbox %s, which the provider writes %s", async (username, user) => {
    await using tokens = await server();
    await using instance = await testInstance();
    await saveMain(instance, tokens, { username });
    tokens.user = user;
    expect(await signIn(instance, decideAt(tokens, "approved", 0))).toMatchObject({ successful: true });
    expect(await storedToken(instance)).toBe("__CENSORED__");
  });

  test("stores nothing if the definition was changed meanwhile", async () => {
    await using tokens = await server();
    await using instance = await testInstance();
    await saveMain(instance, tokens);
    const started = await instance.services.signIns.startOnDevice("main", ACTOR);
    if (!started.successful) throw new Error(started.message);
    tokens.device = "approved";
    await saveMain(instance, tokens, { oauth_scope: "other" });
    expect(await started.finish(async () => undefined)).toMatchObject({ problem: "changed" });
    expect(await storedToken(instance)).toBe("");
  });

  test("reports an endpoint that gives no codes", async () => {
    await using tokens = await server();
    await using instance = await testInstance();
    await saveMain(instance, tokens, { oauth_device_url: `${tokens.origin}/token` });
    tokens.misbehave(oauthError(400, "unauthorized_client", "No device flow"));
    const result = await signIn(instance, () => undefined);
    expect(result).toMatchObject({ problem: "token", message: expect.stringContaining("No device flow") });
  });
});
