import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { testInstance } from "../fixtures/instance.ts";
import type { TestResponse } from "../fixtures/request.ts";
import { CLIENT, invalidClient, startTokenServer } from "../fixtures/token-server.ts";
import { CALLBACK, callback, consent, MAILBOX, saveMain, start, storedToken } from "./oauth-support.ts";

const CENSORED = "__CENSORED__";
const failure = ({ status, error }: TestResponse) => [status, error?.code];

describe("starting a sign-in", () => {
  test("returns the authorization URL with PKCE, the public redirect URI and the mailbox", async () => {
    await using server = await startTokenServer();
    await using instance = await testInstance({ baseUrl: "https://sealpost.test/prefix/" });
    await saveMain(instance, server);
    const started = await instance.request("POST", "/smtpserver/main/oauth/start", {
      headers: { host: "evil.example" },
    });
    const url = new URL(String(started.value));
    expect(url.origin + url.pathname).toBe(server.authorizationUrl);
    expect(Object.fromEntries(url.searchParams)).toEqual({
      response_type: "code",
      client_id: CLIENT.id,
      redirect_uri: "https://sealpost.test/prefix/oauth/callback",
      scope: "mail offline_access openid email",
      state: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: "S256",
      login_hint: MAILBOX,
    });
    expect(started.detail).toEqual({
      redirect_uri: "https://sealpost.test/prefix/oauth/callback",
      expires_at: "2026-06-01T12:10:00.000Z",
    });
  });

  test("uses oauth_authorization_url if the definition has one", async () => {
    await using server = await startTokenServer();
    await using instance = await testInstance();
    await saveMain(instance, server, { oauth_authorization_url: "https://login.example.org/ask?tenant=7" });
    const { origin, pathname, searchParams } = await start(instance);
    expect([origin + pathname, searchParams.get("tenant")]).toEqual(["https://login.example.org/ask", "7"]);
  });

  test.each([
    ["oauth_client_id", { oauth_client_id: "" }],
    ["oauth_token_url", { oauth_token_url: "", oauth_client_secret: "" }],
    ["oauth_authorization_url", { oauth_token_url: "https://login.example.org/get_token" }],
  ])("asks for %s if the definition lacks it", async (parameter, own) => {
    await using server = await startTokenServer();
    await using instance = await testInstance();
    await saveMain(instance, server, own);
    const response = await instance.request("POST", "/smtpserver/main/oauth/start");
    expect(failure(response)).toEqual([400, 905]);
    expect(response.error?.message).toContain(parameter);
  });

  test("names SEALPOST_BASE_URL if it is not set", async () => {
    await using server = await startTokenServer();
    await using instance = await testInstance({ baseUrl: "" });
    await saveMain(instance, server);
    const response = await instance.request("POST", "/smtpserver/main/oauth/start");
    expect(failure(response)).toEqual([400, 905]);
    expect(response.error?.message).toContain("SEALPOST_BASE_URL");
  });

  test("needs smtpserver_write and a stored definition", async () => {
    await using server = await startTokenServer();
    await using instance = await testInstance();
    expect(failure(await instance.request("POST", "/smtpserver/main/oauth/start"))).toEqual([404, 601]);
    await saveMain(instance, server);
    const action = "policywrite, smtpserver_read";
    await instance.request("POST", "/policy/reader", { json: { scope: "admin", action } });
    expect(failure(await instance.request("POST", "/smtpserver/main/oauth/start"))).toEqual([403, 303]);
    const anonymous = await instance.request("POST", "/smtpserver/main/oauth/start", { token: null });
    expect(anonymous.status).toBe(401);
  });

  test("warns if the definition does not log in with a refresh token", async () => {
    await using server = await startTokenServer();
    await using instance = await testInstance();
    await saveMain(instance, server, { oauth_flow: "client_credentials" });
    const { detail } = await instance.request("POST", "/smtpserver/main/oauth/start");
    expect(detail?.notices).toEqual([{ code: "sign_in_unused", parameter: "oauth_flow" }]);
  });
});

describe("completing a sign-in", () => {
  test("stores the refresh token, in a new version with an audit row of the admin", async () => {
    await using server = await startTokenServer();
    await using instance = await testInstance();
    await saveMain(instance, server);
    const before = (await instance.request("GET", "/smtpserver/main")).headers.get("etag");
    const url = await start(instance);
    const completed = await callback(instance, await consent(url));
    expect([completed.status, completed.value, completed.detail]).toEqual([
      200,
      true,
      { identifier: "main" },
    ]);
    expect(completed.headers.get("referrer-policy")).toBe("no-referrer");
    const [request] = server.tokenRequests;
    expect(request?.fields).toMatchObject({
      grant_type: "authorization_code",
      redirect_uri: "https://sealpost.test/oauth/callback",
      client_id: CLIENT.id,
      client_secret: CLIENT.secret,
    });
    const verifier = request?.fields.code_verifier ?? "";
    const challenge = createHash("sha256").update(verifier).digest("base64url");
    expect(challenge).toBe(url.searchParams.get("code_challenge") ?? "");
    expect(await storedToken(instance)).toBe(CENSORED);
    const after = (await instance.request("GET", "/smtpserver/main")).headers.get("etag");
    expect(after).not.toBe(before);
    const { value } = await instance.request("GET", "/audit/");
    const [row] = (value as { auditdata: Record<string, unknown>[] }).auditdata;
    expect(row).toMatchObject({
      action: "GET /oauth/callback",
      success: true,
      administrator: "admin",
      identifier: "main",
      fields: "oauth_refresh_token",
      info: "oauth sign-in",
    });
  });

  test("shows a browser a page without scripts, in its language", async () => {
    await using server = await startTokenServer();
    await using instance = await testInstance();
    await saveMain(instance, server);
    const headers = { accept: "text/html,*/*;q=0.8", "accept-language": "de-DE,de;q=0.9" };
    const done = await callback(instance, await consent(await start(instance)), headers);
    expect([done.status, done.headers.get("content-type")]).toEqual([200, "text/html; charset=UTF-8"]);
    expect(done.text).toContain('<html lang="de">');
    expect(done.text).toContain("Angemeldet");
    expect(done.text).not.toContain("<script");
    expect(done.headers.get("content-security-policy")).toStartWith("default-src 'none'; style-src 'sha256-");
    expect(done.headers.get("referrer-policy")).toBe("no-referrer");
    const failed = await callback(instance, `${CALLBACK}?state=<b>&code=c`, { accept: "text/html" });
    expect(failed.status).toBe(400);
    expect(failed.text).toContain("The sign-in failed");
    expect(failed.text).not.toContain("<b>");
  });

  test("keeps other changes of the definition that were made meanwhile", async () => {
    await using server = await startTokenServer();
    await using instance = await testInstance();
    await saveMain(instance, server);
    const path = await consent(await start(instance));
    await saveMain(instance, server, { description: "changed" });
    expect((await callback(instance, path)).value).toBe(true);
    const { value } = await instance.request("GET", "/smtpserver/main");
    expect(value).toMatchObject({ description: "changed" });
    expect(await storedToken(instance)).toBe(CENSORED);
  });

  test("lets the definition get access tokens, and once more after another sign-in", async () => {
    await using server = await startTokenServer();
    await using instance = await testInstance();
    await saveMain(instance, server);
    server.rotation = "strict";
    const issued: string[] = [];
    for (const _ of ["first", "second"]) {
      const response = await callback(instance, await consent(await start(instance)));
      expect(response.value).toBe(true);
      const definition = await instance.services.servers.load("main");
      const result = await definition?.tokens?.get({ signal: AbortSignal.timeout(5_000) });
      if (!result?.successful) throw new Error(`No token: ${result?.failure.code}`);
      issued.push(result.accessToken.reveal());
    }
    expect(issued.map((token) => server.isValid(token, MAILBOX))).toEqual([true, true]);
    expect(new Set(issued).size).toBe(2);
  });

  test("leaves no code, state or token in responses and audit rows", async () => {
    await using server = await startTokenServer();
    await using instance = await testInstance();
    await saveMain(instance, server);
    const texts: string[] = [];
    const secrets: string[] = [];
    for (const prepare of [() => undefined, () => server.misbehave(invalidClient())]) {
      const url = await start(instance);
      const path = await consent(url);
      secrets.push(...["state", "code"].map((name) => new URL(path, url).searchParams.get(name) ?? ""));
      prepare();
      texts.push((await callback(instance, path)).text, (await callback(instance, path)).text);
    }
    secrets.push(...server.issued, ...server.tokenRequests.map(({ fields }) => fields.code_verifier ?? ""));
    texts.push((await instance.request("GET", "/audit/?page_size=100")).text);
    expect(secrets.filter((secret) => secret.length > 20)).toHaveLength(secrets.length);
    for (const secret of secrets) expect(texts.filter((text) => text.includes(secret))).toEqual([]);
  });
});

describe("a sign-in fails without a token request", () => {
  const rejected = async (change: (started: Started) => Promise<string>): Promise<TestResponse> => {
    await using server = await startTokenServer();
    await using instance = await testInstance();
    await saveMain(instance, server);
    const path = await change({ instance, server, path: await consent(await start(instance)) });
    const before = server.tokenRequests.length;
    const response = await callback(instance, path);
    expect(server.tokenRequests).toHaveLength(before);
    return response;
  };
  interface Started {
    readonly instance: Awaited<ReturnType<typeof testInstance>>;
    readonly server: Awaited<ReturnType<typeof startTokenServer>>;
    readonly path: string;
  }

  test("for a state that is used again", async () => {
    const response = await rejected(async ({ instance, path }) => {
      await callback(instance, path);
      return path;
    });
    expect(failure(response)).toEqual([400, 905]);
  });

  test("for a state that is unknown or absent", async () => {
    const unknown = await rejected(async ({ path }) => path.replace(/state=[^&]{9}/, "state=AAAAAAAAA"));
    expect(failure(unknown)).toEqual([400, 905]);
    expect(failure(await rejected(async () => `${CALLBACK}?code=code`))).toEqual([400, 905]);
    expect(failure(await rejected(async () => CALLBACK))).toEqual([400, 905]);
  });

  test.each([
    ["is older than 10 minutes", 600],
    ["would be valid longer because the clock was set back", -3_600],
  ])("for a state that %s", async (_, seconds) => {
    const response = await rejected(async ({ instance, path }) => {
      instance.clock.advance(seconds);
      return path;
    });
    expect(failure(response)).toEqual([400, 905]);
  });

  test.each([
    ["has another password", "passwd"],
    ["is disabled", "disable"],
    ["lost the right", "policy"],
  ])("if the admin %s", async (_, change) => {
    const response = await rejected(async ({ instance, path }) => {
      const { admins } = instance.services;
      const name = { username: "admin", realm: "" };
      const actor = { action: "", administrator: "", realm: "", client: "", policies: "", requestId: "" };
      const { Secret } = await import("../../src/domain/secret.ts");
      if (change === "passwd") await admins.save(name, { password: new Secret("another word") }, actor);
      if (change === "disable") {
        await admins.save({ username: "other", realm: "" }, { password: new Secret("another word") }, actor);
        await admins.save(name, { enabled: false }, actor);
      }
      if (change === "policy") {
        const json = { scope: "admin", action: "policywrite, smtpserver_read" };
        expect((await instance.request("POST", "/policy/reader", { json })).status).toBe(200);
      }
      return path;
    });
    expect(failure(response)).toEqual([403, 303]);
  });

  test.each([
    ["its token URL", { oauth_token_url: "https://login.example.org/token", oauth_client_secret: "other" }],
    ["its client", { oauth_client_id: "other" }],
    ["its mailbox", { username: "other@example.com", oauth_client_secret: "other" }],
  ])("if the definition changed %s", async (_, own) => {
    const response = await rejected(async ({ instance, server, path }) => {
      await saveMain(instance, server, own);
      return path;
    });
    expect(failure(response)).toEqual([412, 412]);
  });

  test("if the definition was deleted", async () => {
    const response = await rejected(async ({ instance, server, path }) => {
      await instance.request("DELETE", "/smtpserver/main");
      await saveMain(instance, server);
      return path;
    });
    expect(failure(response)).toEqual([412, 412]);
  });

  test("if the user declined", async () => {
    await using server = await startTokenServer();
    await using instance = await testInstance();
    await saveMain(instance, server);
    server.consents = false;
    const path = await consent(await start(instance));
    const response = await callback(instance, path);
    expect(failure(response)).toEqual([400, 400]);
    expect(response.error?.message).toBe(
      "The provider declined the sign-in with access_denied: The user declined",
    );
    expect(failure(await callback(instance, path))).toEqual([400, 905]);
    expect(server.tokenRequests).toEqual([]);
    expect(await storedToken(instance)).toBe("");
    const { value } = await instance.request("GET", "/audit/", { query: { info: "*denied*" } });
    expect((value as { auditdata: object[] }).auditdata).toMatchObject([
      {
        success: false,
        administrator: "admin",
        identifier: "main",
        info: "oauth sign-in denied access_denied",
      },
    ]);
  });
});

describe("a sign-in stores nothing", () => {
  test("for another mailbox, and names both", async () => {
    await using server = await startTokenServer();
    await using instance = await testInstance();
    await saveMain(instance, server);
    server.user = "other@example.com";
    const response = await callback(instance, await consent(await start(instance)));
    expect(failure(response)).toEqual([400, 400]);
    expect(response.error?.message).toContain("other@example.com");
    expect(response.error?.message).toContain(MAILBOX);
    expect(await storedToken(instance)).toBe("");
  });

  test("for another mailbox, whose name is shown without controls and bounded", async () => {
    await using server = await startTokenServer();
    await using instance = await testInstance();
    await saveMain(instance, server);
    server.user = `\u001b[31mother@example.com\r\n${"x".repeat(9_000)}`;
    const { error } = await callback(instance, await consent(await start(instance)));
    expect(error?.message).toContain("granted the mailbox [31mother@example.com xxx");
    expect(error?.message.length).toBeLessThan(700);
  });

  test("without a refresh token, and names what asks for one", async () => {
    await using server = await startTokenServer();
    await using instance = await testInstance();
    await saveMain(instance, server, { oauth_scope: "mail" });
    const response = await callback(instance, await consent(await start(instance)));
    expect(failure(response)).toEqual([400, 400]);
    expect(response.error?.message).toContain("offline_access");
    expect(await storedToken(instance)).toBe("");
  });

  test("if the token endpoint rejects the client, and explains its error", async () => {
    await using server = await startTokenServer();
    await using instance = await testInstance();
    await saveMain(instance, server);
    const path = await consent(await start(instance));
    server.misbehave(invalidClient());
    const response = await callback(instance, path);
    expect(failure(response)).toEqual([400, 400]);
    expect(response.error?.message).toContain("invalid_client AADSTS7000215");
    expect(response.error?.message).toContain("oauth_client_secret");
  });
});

test("of two callbacks at the same time one completes the sign-in", async () => {
  await using server = await startTokenServer();
  await using instance = await testInstance();
  await saveMain(instance, server);
  const path = await consent(await start(instance));
  const responses = await Promise.all([callback(instance, path), callback(instance, path)]);
  expect(responses.map(({ status }) => status).sort()).toEqual([200, 400]);
  expect(server.tokenRequests).toHaveLength(1);
});

test("a HEAD request leaves the sign-in to the browser", async () => {
  await using server = await startTokenServer();
  await using instance = await testInstance();
  await saveMain(instance, server);
  const path = await consent(await start(instance));
  expect((await instance.app.request(path, { method: "HEAD" })).status).toBe(405);
  expect(server.tokenRequests).toEqual([]);
  expect((await callback(instance, path)).value).toBe(true);
});

test("an account name that is no address is compared with no mailbox, and the response says so", async () => {
  await using server = await startTokenServer();
  await using instance = await testInstance();
  await saveMain(instance, server);
  server.user = "short-name";
  const { value, detail } = await callback(instance, await consent(await start(instance)));
  expect(value).toBe(true);
  expect(detail?.notices).toEqual([{ code: "mailbox_unverified", parameter: "username" }]);
});

test("many unknown states from one address are rejected before they are counted", async () => {
  await using instance = await testInstance();
  const statuses: number[] = [];
  for (let index = 0; index < 32; index++) {
    statuses.push((await callback(instance, `${CALLBACK}?state=${index}&code=c`)).status);
  }
  expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(0);
  const { value } = await instance.request("GET", "/audit/", { query: { action: "*callback*" } });
  expect((value as { auditdata: object[] }).auditdata).toMatchObject([
    { success: false, administrator: "", info: "oauth sign-in state" },
  ]);
});
