import { describe, expect, test } from "bun:test";
import type { HttpClient } from "../../src/contracts/http-client.ts";
import { Secret } from "../../src/domain/secret.ts";
import { requestToken } from "../../src/oauth/request-token.ts";
import { issue, MAIL_EXTENSIONS } from "../fixtures/smime/authority.ts";
import { privateKey } from "../fixtures/smime/keys.ts";
import { isInstalled, openssl, scratchFile } from "../fixtures/smime/openssl.ts";
import { CLIENT, expiresIn, startTokenServer } from "../fixtures/token-server.ts";
import { failureFor, requestDeps, settingsFor } from "./support.ts";

const SUBJECT = { subject: "/CN=client", extensions: MAIL_EXTENSIONS };
const EMAIL = "account@project.iam.gserviceaccount.com";

function decode(part: string | undefined): Record<string, unknown> {
  return JSON.parse(Buffer.from(part ?? "", "base64url").toString());
}

describe("client_credentials", () => {
  test("sends client and secret in the form, and nothing else but the scope", async () => {
    await using server = await startTokenServer();
    const outcome = await requestToken(settingsFor(server.tokenUrl), requestDeps());
    expect(outcome.successful && outcome.tokens.accessToken.reveal()).toBe(server.issued[0] ?? "");
    expect(outcome).toMatchObject({ tokens: { expiresInSeconds: 3600, refreshToken: null } });
    const [request] = server.tokenRequests;
    expect(request?.fields).toEqual({
      grant_type: "client_credentials",
      client_id: CLIENT.id,
      client_secret: CLIENT.secret,
      scope: "https://outlook.office365.com/.default",
    });
    expect(request?.headers.authorization).toBeUndefined();
  });

  test.each([
    ["a number in a text", "3599", 3599],
    ["none", undefined, null],
  ] as const)("takes expires_in as %s", async (_, value, seconds) => {
    await using server = await startTokenServer();
    server.misbehave(expiresIn(value));
    const outcome = await requestToken(settingsFor(server.tokenUrl), requestDeps());
    expect(outcome.successful && outcome.tokens.expiresInSeconds).toBe(seconds);
  });

  test("needs a client ID and a token URL, and asks no one without", async () => {
    await using server = await startTokenServer();
    const noId = await failureFor(settingsFor(server.tokenUrl, { clientId: "" }));
    expect(noId).toMatchObject({
      code: "oauth_client",
      oauth: { description: "oauth_client_id is missing" },
    });
    const noUrl = await failureFor(settingsFor(""));
    expect(noUrl).toMatchObject({
      code: "oauth_client",
      oauth: { description: "oauth_token_url is missing" },
    });
    expect(server.requests).toEqual([]);
  });
});

describe.skipIf(!isInstalled("openssl"))("private_key_jwt", () => {
  test("signs with PS256, names the certificate, and is for the token URL", async () => {
    const key = await privateKey("rsa");
    const certificate = await issue({ key, ...SUBJECT });
    await using server = await startTokenServer({ clients: [{ id: CLIENT.id, certificate }] });
    const settings = settingsFor(server.tokenUrl, { privateKey: new Secret(key), certificate });
    const before = Math.floor(Date.now() / 1_000);
    expect((await requestToken(settings, requestDeps())).successful).toBe(true);
    const { client_assertion: assertion = "", ...others } = server.tokenRequests[0]?.fields ?? {};
    expect(others).toEqual({
      grant_type: "client_credentials",
      client_id: CLIENT.id,
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      scope: "https://outlook.office365.com/.default",
    });
    const [header, claims] = assertion.split(".").slice(0, 2).map(decode);
    expect(header).toMatchObject({ alg: "PS256", typ: "JWT" });
    expect(claims).toMatchObject({ aud: server.tokenUrl, iss: CLIENT.id, sub: CLIENT.id });
    const { iat, nbf, exp } = claims ?? {};
    expect(nbf).toBe(iat);
    expect(Number(iat)).toBeOneOf([before - 60, before - 59]);
    expect(Number(exp) - before).toBeOneOf([300, 301]);
  });

  test("works with a key in PKCS#1, and names the thumbprint when it is rejected", async () => {
    const key = await privateKey("rsa");
    const pkcs1 = await openssl("rsa", "-in", scratchFile(key), "-traditional");
    const certificate = await issue({ key, ...SUBJECT });
    const other = await issue({ key: await privateKey("rsa", "other"), ...SUBJECT });
    await using server = await startTokenServer({ clients: [{ id: CLIENT.id, certificate: other }] });
    const settings = settingsFor(server.tokenUrl, { privateKey: new Secret(pkcs1), certificate });
    const failure = await failureFor(settings);
    expect(failure).toMatchObject({ code: "oauth_client", oauth: { codes: ["AADSTS700027"] } });
    const shown = await openssl("x509", "-in", scratchFile(certificate), "-noout", "-fingerprint", "-sha1");
    const [, fingerprint = ""] = /=([0-9A-F:]+)/.exec(shown) ?? [];
    expect(failure.oauth?.thumbprint).toBe(fingerprint.replaceAll(":", ""));
  });

  test.each<[form: string, change: (pem: string) => string]>([
    ["another label", (pem) => pem.replaceAll("CERTIFICATE", "X509 CERTIFICATE")],
    ["line ends as characters", (pem) => pem.replaceAll("\n", "\\r\\n")],
    ["line ends of HTML", (pem) => pem.replaceAll("\n", "<br>")],
    ["quotation", (pem) => pem.replace(/^/gm, "> ")],
    ["characters without width", (pem) => pem.replace(/(.{30})/g, "$1\u200b")],
    ["blanks in place of +", (pem) => pem.replaceAll("+", " ")],
    ["blanks that do not break", (pem) => pem.replaceAll("\n", "\u00a0\n")],
    ["dashes of a word processor", (pem) => pem.replaceAll("-----", "\u2014")],
    ["no delimiting lines", (pem) => pem.replace(/-----[^-]+-----|\n/g, "")],
  ])("names a certificate with %s", async (_, change) => {
    const key = await privateKey("rsa");
    const certificate = await issue({ key, ...SUBJECT });
    await using server = await startTokenServer();
    const own = { privateKey: new Secret(key), certificate: change(certificate) };
    await requestToken(settingsFor(server.tokenUrl, own), requestDeps());
    const [header] = server.tokenRequests[0]?.fields.client_assertion?.split(".") ?? [];
    const der = Buffer.from(certificate.replace(/-----[^-]+-----/g, ""), "base64");
    const digest = new Bun.CryptoHasher("sha256").update(der).digest("base64url");
    expect(decode(header)["x5t#S256"]).toBe(digest);
  });

  test("signs with ES256 by an EC key", async () => {
    const key = await privateKey("p256");
    const certificate = await issue({ key, ...SUBJECT });
    await using server = await startTokenServer();
    const own = { privateKey: new Secret(key), certificate };
    await requestToken(settingsFor(server.tokenUrl, own), requestDeps());
    const [header] = server.tokenRequests[0]?.fields.client_assertion?.split(".") ?? [];
    expect(decode(header).alg).toBe("ES256");
  });

  test("tells by how much the clock is off", async () => {
    const key = await privateKey("rsa");
    const certificate = await issue({ key, ...SUBJECT });
    await using server = await startTokenServer({ clients: [{ id: CLIENT.id, certificate }] });
    server.clockOffsetSeconds = 900;
    const own = { privateKey: new Secret(key), certificate };
    const failure = await failureFor(settingsFor(server.tokenUrl, own));
    expect(failure).toMatchObject({ code: "oauth_client", oauth: { codes: ["AADSTS700024"] } });
    expect(failure.oauth?.clockSkewSeconds).toBeOneOf([899, 900, 901]);
  });
});

describe.skipIf(!isInstalled("openssl"))("jwt_bearer", () => {
  async function account() {
    const key = await privateKey("rsa");
    const publicKey = await openssl("pkey", "-in", scratchFile(key), "-pubout");
    const file = { client_email: EMAIL, private_key: key, private_key_id: "key-1", client_id: "1234567890" };
    return { publicKey, json: new Secret(JSON.stringify(file)) };
  }

  test("sends one assertion for the mailbox, and no field of a client", async () => {
    const { publicKey, json } = await account();
    await using server = await startTokenServer({ serviceAccounts: [{ email: EMAIL, publicKey }] });
    const scope = "https://mail.google.com/";
    const settings = settingsFor(server.tokenUrl, { flow: "jwt_bearer", serviceAccount: json, scope });
    expect((await requestToken(settings, requestDeps())).successful).toBe(true);
    const { assertion = "", ...others } = server.tokenRequests[0]?.fields ?? {};
    expect(others).toEqual({ grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer" });
    const [header, claims] = assertion.split(".").slice(0, 2).map(decode);
    expect(header).toEqual({ alg: "RS256", typ: "JWT", kid: "key-1" });
    expect(claims).toEqual({
      iss: EMAIL,
      sub: "mailbox@example.com",
      scope,
      aud: server.tokenUrl,
      iat: expect.any(Number),
      exp: expect.any(Number),
    });
  });

  test("names the number that domain-wide delegation needs", async () => {
    const { publicKey, json } = await account();
    await using server = await startTokenServer({
      serviceAccounts: [{ email: EMAIL, publicKey, users: ["other@example.com"] }],
    });
    const own = { flow: "jwt_bearer", serviceAccount: json, scope: "mail" } as const;
    const failure = await failureFor(settingsFor(server.tokenUrl, own));
    expect(failure).toMatchObject({ code: "oauth_consent", oauth: { clientId: "1234567890" } });
  });

  test.each([
    ["no file", "", "is missing"],
    ["a file without a key", '{"client_email":"a@b","private_key":"none"}', "has no readable key"],
  ])("asks no one with %s", async (_, json, reason) => {
    await using server = await startTokenServer();
    const settings = settingsFor(server.tokenUrl, { flow: "jwt_bearer", serviceAccount: new Secret(json) });
    const failure = await failureFor(settings);
    expect(failure.oauth?.description).toBe(`oauth_service_account ${reason}`);
    expect(server.requests).toEqual([]);
  });
});

describe("refresh_token", () => {
  const refresh = (refreshToken: string) =>
    ({ flow: "refresh_token", refreshToken: new Secret(refreshToken), scope: "" }) as const;

  test("sends the secret of a client that has one, and returns the next refresh token", async () => {
    await using server = await startTokenServer();
    server.rotation = "strict";
    const token = server.createRefreshToken();
    const outcome = await requestToken(settingsFor(server.tokenUrl, refresh(token)), requestDeps());
    expect(server.tokenRequests[0]?.fields).toEqual({
      grant_type: "refresh_token",
      client_id: CLIENT.id,
      client_secret: CLIENT.secret,
      refresh_token: token,
    });
    const next = outcome.successful ? outcome.tokens.refreshToken?.reveal() : null;
    expect(next).toStartWith("refresh-");
    expect(next).not.toBe(token);
  });

  test("sends only the ID of a public client", async () => {
    await using server = await startTokenServer({ clients: [{ id: "public" }] });
    const token = server.createRefreshToken({ clientId: "public" });
    const own = { clientId: "public", clientSecret: Secret.EMPTY, ...refresh(token) };
    expect((await requestToken(settingsFor(server.tokenUrl, own), requestDeps())).successful).toBe(true);
    expect(server.tokenRequests[0]?.fields).toEqual({
      grant_type: "refresh_token",
      client_id: "public",
      refresh_token: token,
    });
  });

  test("takes a response with an ID token of any issuer", async () => {
    await using server = await startTokenServer({ issuer: "https://elsewhere.example" });
    const token = server.createRefreshToken({ scope: "openid mail" });
    const outcome = await requestToken(settingsFor(server.tokenUrl, refresh(token)), requestDeps());
    const claims = outcome.successful ? decode(outcome.tokens.idToken?.split(".")[1]) : null;
    expect(claims).toMatchObject({ iss: "https://elsewhere.example", email: "mailbox@example.com" });
  });

  const PROPER = { access_token: "access", token_type: "Bearer", expires_in: 3_600, refresh_token: "next" };
  const requestFrom = (body: object, status = 200, type = "application/json") => {
    const http: HttpClient = async () =>
      new Response(JSON.stringify({ ...PROPER, ...body }), { status, headers: { "content-type": type } });
    const settings = settingsFor("https://token.test/", refresh("given"));
    return requestToken(settings, requestDeps({ http }));
  };

  test.each<[body: object, seconds: number | null, next: string | undefined]>([
    [{ refresh_token: null }, 3_600, undefined],
    [{ refresh_token: "" }, 3_600, undefined],
    [{ refresh_token: 7 }, 3_600, undefined],
    [{ expires_in: null }, null, "next"],
    [{ expires_in: "" }, null, "next"],
    [{ expires_in: "soon" }, null, "next"],
    [{ expires_in: -1 }, null, "next"],
    [{ expires_in: "3599" }, 3_599, "next"],
    [{ scope: null }, 3_600, "next"],
    [{ scope: ["mail"] }, 3_600, "next"],
    [{ id_token: null }, 3_600, "next"],
  ])("takes the tokens of a response with %j", async (body, seconds, next) => {
    const outcome = await requestFrom(body);
    if (!outcome.successful) throw new Error(JSON.stringify(outcome.failure));
    const { accessToken, expiresInSeconds, refreshToken } = outcome.tokens;
    expect([accessToken.reveal(), expiresInSeconds, refreshToken?.reveal()]).toEqual([
      "access",
      seconds,
      next,
    ]);
  });

  test("takes the tokens of JSON with another media type, or another status of success", async () => {
    expect(await requestFrom({}, 200, "text/plain")).toMatchObject({ successful: true });
    expect(await requestFrom({}, 201)).toMatchObject({ successful: true });
  });

  test("takes no refresh token of a response that is an error", async () => {
    const outcome = await requestFrom({ error: "invalid_grant" }, 400);
    expect(outcome).toMatchObject({ successful: false, refreshToken: null });
  });

  test.each([
    { token_type: null },
    { token_type: undefined },
    { token_type: "mac" },
    { access_token: "t\u00f6ken" },
    { access_token: null },
  ])("returns the refresh token of a response with %j, whose access token is unusable", async (body) => {
    const outcome = await requestFrom(body);
    expect(outcome).toMatchObject({ successful: false, failure: { code: "oauth_unavailable" } });
    expect(outcome.successful ? null : outcome.refreshToken?.reveal()).toBe("next");
  });
});
