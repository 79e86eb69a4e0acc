import { describe, expect, test } from "bun:test";
import { type HttpClient, HttpError } from "../../src/contracts/http-client.ts";
import { ConnectError } from "../../src/contracts/transport.ts";
import type { FailureCode } from "../../src/domain/delivery.ts";
import { Secret } from "../../src/domain/secret.ts";
import { requestToken } from "../../src/oauth/request-token.ts";
import {
  CLIENT,
  consentRequired,
  dateOffBy,
  hangUp,
  htmlBadGateway,
  hugeBody,
  invalidClient,
  invalidGrant,
  invalidScope,
  oauthError,
  redirectTo,
  startTokenServer,
  type TokenMisbehavior,
  tokenWithControls,
  tooManyRequests,
  unavailable,
  withoutTokenType,
} from "../fixtures/token-server.ts";
import { failureFor, requestDeps, settingsFor } from "./support.ts";

/** Returns the failure of a request to a server that misbehaves in this way. */
async function failureOf(misbehavior: TokenMisbehavior) {
  await using server = await startTokenServer();
  server.misbehave(misbehavior);
  const failure = await failureFor(settingsFor(server.tokenUrl));
  return { failure, requests: server.tokenRequests };
}

/** A client that returns this response. */
function respond(status: number, body: unknown, headers: Record<string, string> = {}): HttpClient {
  return async () =>
    new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers });
}

describe("the code of a rejected token request", () => {
  test.each<[string, TokenMisbehavior, FailureCode]>([
    ["AADSTS7000215", invalidClient(), "oauth_client"],
    ["AADSTS7000222", invalidClient(7_000_222), "oauth_client"],
    ["AADSTS700082", invalidGrant(), "oauth_grant"],
    ["AADSTS50076, which needs a second factor", invalidGrant(50_076), "oauth_grant"],
    ["AADSTS53003 of Conditional Access", invalidGrant(53_003), "oauth_consent"],
    ["AADSTS70011", invalidScope(), "oauth_scope"],
    ["AADSTS65001", consentRequired(), "oauth_consent"],
    ["AADSTS50196, a loop", invalidClient(50_196), "oauth_unavailable"],
    ["AADSTS90033, which passes", invalidClient(90_033), "oauth_unavailable"],
    ["invalid_client", oauthError(401, "invalid_client", "Unauthorized"), "oauth_client"],
    ["unauthorized_client", oauthError(401, "unauthorized_client", "No"), "oauth_client"],
    [
      "unauthorized_client of Google",
      oauthError(401, "unauthorized_client", "Client not authorized for any of the scopes requested."),
      "oauth_consent",
    ],
    ["invalid_grant", oauthError(400, "invalid_grant", "Bad Request"), "oauth_grant"],
    ["invalid_scope", oauthError(400, "invalid_scope", "No"), "oauth_scope"],
    ["access_denied", oauthError(403, "access_denied", "No"), "oauth_consent"],
    ["temporarily_unavailable", oauthError(400, "temporarily_unavailable", "Wait"), "oauth_unavailable"],
    ["an error within 200", oauthError(200, "invalid_grant", "No"), "oauth_grant"],
    ["an unknown error", oauthError(400, "no_such_error", "No"), "oauth_client"],
    ["an error within 500", oauthError(500, "invalid_client", "No"), "oauth_unavailable"],
  ])("%s", async (_, misbehavior, code) => {
    const { failure } = await failureOf(misbehavior);
    expect(failure).toMatchObject({ phase: "oauth", code, outcome: "not-sent", fault: "server" });
    expect(failure.retryable).toBe(code === "oauth_unavailable");
  });
});

describe("oauth_unavailable, which is retryable, follows", () => {
  test.each<[string, TokenMisbehavior, string]>([
    ["429", tooManyRequests(), "Too many requests"],
    ["503", unavailable(), "The response has the status 503 and no error of OAuth"],
    ["HTML", htmlBadGateway(), "The response has the status 502 and no error of OAuth"],
    ["a hang-up", hangUp(), "The connection was lost: closed"],
    ["10 MB", hugeBody(), "The response is larger than 64 KiB"],
    ["a redirect", redirectTo("/elsewhere"), "The token endpoint redirects, which is not followed"],
    ["no token_type", withoutTokenType(), "The response is not a token response (RFC 6749 5.1)"],
    [
      "control characters in the token",
      tokenWithControls(),
      "The access token contains characters that a token cannot have",
    ],
  ])("%s", async (_, misbehavior, description) => {
    const { failure, requests } = await failureOf(misbehavior);
    expect(failure).toMatchObject({ phase: "oauth", code: "oauth_unavailable", retryable: true });
    expect(failure.oauth?.description).toBe(description);
    expect(requests).toHaveLength(1);
  });

  test.each<[string, () => Error, string]>([
    ["a timeout", () => new HttpError("timeout", { isComplete: true }), "did not respond in time"],
    ["a timeout before the request", () => new DOMException("", "TimeoutError"), "did not respond in time"],
    ["an unknown host", () => new ConnectError("dns", "dns_not_found", false), "dns_not_found in phase dns"],
    [
      "a bad certificate",
      () => new ConnectError("certificate", "cert_expired", false),
      "cert_expired in phase certificate",
    ],
  ])("%s", async (_, create, words) => {
    const http: HttpClient = () => Promise.reject(create());
    const failure = await failureFor(settingsFor("https://token.test/"), requestDeps({ http }));
    expect(failure).toMatchObject({ phase: "oauth", code: "oauth_unavailable", retryable: true });
    expect(failure.oauth).toMatchObject({ host: "token.test", status: null });
    expect(failure.oauth?.description).toContain(words);
  });
});

test("a denied target is the failure of the policy, without a report", async () => {
  const http: HttpClient = () => Promise.reject(new ConnectError("policy", "egress_denied", false));
  const failure = await failureFor(settingsFor("https://10.0.0.1/token"), requestDeps({ http }));
  expect(failure).toMatchObject({ phase: "policy", code: "egress_denied", retryable: false });
  expect(failure.oauth).toBeUndefined();
});

describe("Retry-After", () => {
  const NOW = new Date("2026-06-01T12:00:00Z");
  const DATE = { date: "Mon, 01 Jun 2026 12:10:00 GMT" };

  test.each<[string, Record<string, string>, number | undefined]>([
    ["seconds", { "retry-after": "120" }, 120_000],
    ["a date of the server's clock", { "retry-after": "Mon, 01 Jun 2026 12:10:30 GMT", ...DATE }, 30_000],
    ["a date without another", { "retry-after": "Mon, 01 Jun 2026 12:01:00 GMT" }, 60_000],
    ["a date in the past", { "retry-after": "Mon, 01 Jun 2026 11:00:00 GMT" }, 0],
    ["more than a day", { "retry-after": "9999999" }, 86_400_000],
    ["nonsense", { "retry-after": "soon" }, undefined],
  ])("is kept from %s", async (_, headers, delayMs) => {
    const http = respond(429, { error: "slow_down" }, headers);
    const failure = await failureFor(
      settingsFor("https://token.test/"),
      requestDeps({ http, now: () => NOW }),
    );
    expect(failure.retryAfterMs).toBe(delayMs);
  });
});

describe("the report", () => {
  test("names host, status, error, numbers and IDs", async () => {
    const { failure } = await failureOf(invalidClient());
    expect(failure.oauth).toEqual({
      host: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      status: 401,
      error: "invalid_client",
      codes: ["AADSTS7000215"],
      description: expect.stringMatching(/^AADSTS7000215: Invalid client secret provided\./),
      traceId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      correlationId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      clockSkewSeconds: expect.any(Number),
      clientId: CLIENT.id,
    });
  });

  test("finds the number in the description if there is no list", async () => {
    const { failure } = await failureOf(oauthError(400, "invalid_request", "AADSTS65001: No consent"));
    expect(failure).toMatchObject({ code: "oauth_consent", oauth: { codes: ["AADSTS65001"] } });
  });

  test.each([-300, 0, 300])("has the clock of the endpoint minus ours: %d s", async (seconds) => {
    const proper = () => ({ status: 400, headers: {}, body: '{"error":"invalid_grant"}' });
    const { failure } = await failureOf((exchange) => dateOffBy(seconds)({ ...exchange, proper }));
    expect(failure.oauth?.clockSkewSeconds).toBeOneOf([seconds - 1, seconds, seconds + 1]);
  });

  test("has no secret of the request in any form, and nothing that looks like a token", async () => {
    const secret = "pa~ss w+rd/=";
    const refreshToken = "refresh-1-abc";
    const jwt = `eyJhbGciOiJSUzI1NiJ9.${"a".repeat(40)}.${"b".repeat(40)}`;
    const echo = [
      secret,
      encodeURIComponent(secret),
      new URLSearchParams({ secret }).toString(),
      btoa(`${CLIENT.id}:${secret}`),
      refreshToken,
      jwt,
      "ya29.a0AfH6SMBx_long-token",
      "x".repeat(80),
    ].join(" | ");
    const http = respond(400, { error: "invalid_grant", error_description: `Echo: ${echo}\r\n\u0007` });
    const settings = settingsFor("https://token.test/", {
      flow: "refresh_token",
      clientSecret: new Secret(secret),
      refreshToken: new Secret(refreshToken),
    });
    const { oauth } = await failureFor(settings, requestDeps({ http }));
    const hidden =
      "[secret] | [secret] | secret=[secret] | [secret] | [secret] | [secret] | [secret] | [secret]";
    expect(oauth?.description).toBe(`Echo: ${hidden}`);
  });

  test("has no part of a secret that the endpoint shortened", async () => {
    const [secret, refreshToken] = ["Zq8~xY_pq77.aB3dE5fG7", "0.AXoA-bC4dE6fG8hI0jK2lM4nO6"];
    const echo = [secret.slice(0, 14), refreshToken.slice(5, 21), btoa(refreshToken).slice(0, 24)].join(
      " | ",
    );
    const http = respond(400, { error: "invalid_grant", error_description: echo, trace_id: secret.slice(3) });
    const settings = settingsFor("https://token.test/", {
      flow: "refresh_token",
      clientSecret: new Secret(secret),
      refreshToken: new Secret(refreshToken),
    });
    const { oauth } = await failureFor(settings, requestDeps({ http }));
    expect(oauth).toMatchObject({ description: "[secret] | [secret] | [secret]", traceId: "[secret]" });
  });

  test("is at most 500 characters long", async () => {
    const http = respond(400, { error: "x ".repeat(900), error_description: "word ".repeat(500) });
    const { oauth } = await failureFor(settingsFor("https://token.test/"), requestDeps({ http }));
    expect(oauth?.description?.length).toBeLessThanOrEqual(500);
    expect(oauth?.error?.length).toBeLessThanOrEqual(100);
  });
});

test("a body of any kind gives a failure, never an error", async () => {
  for (const body of ["", "null", "[]", '"text"', '{"access_token":1}', '{"error":{"code":5}}']) {
    for (const status of [200, 201, 400, 404]) {
      const deps = requestDeps({ http: respond(status, body) });
      const outcome = await requestToken(settingsFor("https://token.test/"), deps);
      expect(outcome).toMatchObject({ successful: false, failure: { code: "oauth_unavailable" } });
    }
  }
});
