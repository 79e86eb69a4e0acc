import { describe, expect, test } from "bun:test";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import type { TestResponse } from "../fixtures/request.ts";
import { leaf, sender } from "../fixtures/smime/authority.ts";

const OAUTH = {
  server: "smtps://mail.example.org",
  username: "box@example.org",
  auth: "oauth2",
  oauth_token_url: "https://login.example.org/token",
  oauth_client_id: "client",
  oauth_client_secret: "client-secret-7",
};
const SECRETS = {
  oauth_client_secret: "client-secret-7",
  oauth_refresh_token: "refresh-token-7",
};

const save = (instance: TestInstance, json: object) =>
  instance.request("POST", "/smtpserver/a", { json: { ...OAUTH, ...json } });
const shown = async (instance: TestInstance) =>
  (await instance.request("GET", "/smtpserver/a")).detail?.auth as Record<string, unknown>;
const rejection = ({ status, error }: TestResponse) => [status, error?.code, error?.message];
const without = (name: string) =>
  Object.fromEntries(Object.entries(OAUTH).filter(([parameter]) => parameter !== name));

describe("the OAuth fields of a definition", () => {
  test("are shown in detail.auth, with secrets censored and among no privacyIDEA key", async () => {
    await using instance = await testInstance();
    expect((await save(instance, { oauth_scope: "mail.send" })).value).toBe(true);
    expect(await shown(instance)).toEqual({
      auth: "oauth2",
      oauth_flow: "client_credentials",
      oauth_token_url: OAUTH.oauth_token_url,
      oauth_authorization_url: "",
      oauth_device_url: "",
      oauth_client_id: "client",
      oauth_client_secret: "__CENSORED__",
      oauth_private_key: "",
      oauth_certificate: "",
      oauth_service_account: "",
      oauth_refresh_token: "",
      oauth_scope: "mail.send",
      oauth_mechanism: "auto",
    });
    const { text, value } = await instance.request("GET", "/smtpserver/a");
    expect(text).not.toContain(OAUTH.oauth_client_secret);
    expect(Object.keys(value as object)).toHaveLength(14);
  });

  test.each([[undefined], [null], ["__CENSORED__"]])("keep a secret that is %p", async (given) => {
    await using instance = await testInstance();
    await save(instance, SECRETS);
    const next = { oauth_client_secret: given, oauth_refresh_token: given };
    expect((await save(instance, next)).value).toBe(true);
    expect(await shown(instance)).toMatchObject({
      oauth_client_secret: "__CENSORED__",
      oauth_refresh_token: "__CENSORED__",
    });
  });

  test("clear a secret by an empty text, and warn that no token can be got", async () => {
    await using instance = await testInstance();
    await save(instance, {});
    const { detail } = await save(instance, { oauth_client_secret: "" });
    expect(detail?.notices).toEqual([{ code: "oauth_incomplete", parameter: "oauth_client_secret" }]);
    expect(await shown(instance)).toMatchObject({ oauth_client_secret: "" });
  });

  test("reject __CENSORED__ where nothing is stored", async () => {
    await using instance = await testInstance();
    const response = await save(instance, { oauth_refresh_token: "__CENSORED__" });
    expect(rejection(response)).toEqual([400, 905, expect.stringContaining("oauth_refresh_token")]);
  });

  test.each([
    ["the token URL", { oauth_token_url: "https://evil.example/token" }, "oauth_token_url"],
    ["api_url", { api_url: "https://evil.example" }, "api_url"],
    ["the host", { server: "smtps://evil.example" }, "server, port, username or TLS"],
    ["the protocol", { server: "mail.example.org:465", tls: true }, null],
    ["the username", { username: "other@example.org" }, "server, port, username or TLS"],
    ["the port", { server: "smtps://mail.example.org:2465" }, "server, port, username or TLS"],
    ["the client ID", { oauth_client_id: "other" }, null],
  ] as const)("ask for a kept secret again if %s changes, as far as it leads elsewhere", async (...row) => {
    const [, change, reason] = row;
    await using instance = await testInstance();
    await save(instance, {});
    const response = await instance.request("POST", "/smtpserver/a", {
      json: { ...without("oauth_client_secret"), ...change },
    });
    if (reason === null) expect(response.value).toBe(true);
    else {
      const message = `ERR905: Invalid parameter: oauth_client_secret: required again, because ${reason} changed`;
      expect(rejection(response)).toEqual([400, 905, message]);
    }
  });

  test("ask for the password again if api_url changes", async () => {
    await using instance = await testInstance();
    const api = { server: "mail.example.org", username: "user", api_url: "https://one.example" };
    await instance.request("POST", "/smtpserver/a", { json: { ...api, password: "smtp-secret-7" } });
    const json = { ...api, api_url: "https://two.example" };
    const response = await instance.request("POST", "/smtpserver/a", { json });
    expect(rejection(response)).toEqual([400, 905, expect.stringContaining("password: required again")]);
  });

  test.each([
    ["oauth_flow", { oauth_flow: "password" }, "oauth_flow"],
    ["oauth_mechanism", { oauth_mechanism: "plain" }, "oauth_mechanism"],
    ["auth", { auth: "ntlm" }, "auth"],
    ["a token URL without TLS", { oauth_token_url: "http://login.example.org/token" }, "oauth_token_url"],
    ["a token URL with a password", { oauth_token_url: "https://a:b@c.example/" }, "oauth_token_url"],
    ["no TLS", { server: "mail.example.org", tls: false }, "tls"],
    ["no username", { username: "" }, "username"],
    ["no access key ID", { server: "ses://eu-central-1", auth: "password", username: "" }, "username"],
    ["OAuth for SES", { server: "ses://eu-central-1" }, "auth"],
    ["a service account that is not JSON", { oauth_service_account: "key" }, "oauth_service_account"],
    ["a service account without key", { oauth_service_account: "{}" }, "oauth_service_account"],
    ["a certificate that is not PEM", { oauth_certificate: "text" }, "oauth_certificate"],
  ])("reject %s, by the name of the parameter", async (_, change, parameter) => {
    await using instance = await testInstance();
    const response = await save(instance, change);
    expect(rejection(response)).toEqual([400, 905, expect.stringContaining(`parameter: ${parameter}:`)]);
    expect((await instance.request("GET", "/smtpserver/a")).status).toBe(404);
  });

  test("accept a token URL without TLS on a loopback address", async () => {
    await using instance = await testInstance();
    expect((await save(instance, { oauth_token_url: "http://127.0.0.1:9/token" })).value).toBe(true);
  });

  test.each(Object.keys(SECRETS))("are rejected in the query: %s", async (name) => {
    await using instance = await testInstance();
    const response = await instance.request("POST", `/smtpserver/a?${name}=x`, { json: OAUTH });
    expect(rejection(response)).toEqual([400, 905, expect.stringContaining(name)]);
  });
});

describe.each([
  ["oauth_private_key", "oauth_certificate"],
  ["tls_private_key", "tls_certificate"],
])("%s", (key, certificate) => {
  test(`has to be the key of ${certificate}`, async () => {
    await using instance = await testInstance();
    const [rsa, ecdsa] = [await sender("rsa"), await sender("p256")];
    const good = await save(instance, { [key]: rsa.key, [certificate]: rsa.certificate });
    expect(good.value).toBe(true);
    const wrong = await save(instance, { [certificate]: ecdsa.certificate });
    expect(rejection(wrong)).toEqual([400, 905, expect.stringContaining(`parameter: ${certificate}:`)]);
  });

  test(`belongs to the first certificate of ${certificate}`, async () => {
    await using instance = await testInstance();
    const { key: own, certificate: first, intermediate } = await sender("p256");
    const chain = [first, intermediate.certificate];
    expect((await save(instance, { [key]: own, [certificate]: chain.join("") })).value).toBe(true);
    const reversed = await save(instance, { [certificate]: chain.toReversed().join("") });
    const message = `ERR905: Invalid parameter: ${certificate}: expected the certificate of ${key} before its chain`;
    expect(rejection(reversed)).toEqual([400, 905, message]);
  });

  test.each([
    ["20260610120000Z", "expires_soon", "The certificate expires in 9 days: get a new one."],
    ["20260531120000Z", "expired", "The certificate expired on 2026-05-31: get a new one."],
  ])(`is saved with a notice if ${certificate} ends on %s`, async (notAfter, code, text) => {
    await using instance = await testInstance();
    const { key: own } = await sender("p256");
    const ending = await leaf({ key: own, notAfter });
    const { value, detail } = await save(instance, { [key]: own, [certificate]: ending });
    expect(value).toBe(true);
    expect(detail?.notices).toEqual([{ code, parameter: certificate }]);
    expect(detail?.warnings).toEqual([text]);
  });
});

test("a client certificate without its key is saved with a notice, and so is a key without it", async () => {
  await using instance = await testInstance();
  const { key, certificate } = await sender("p256");
  const { detail } = await save(instance, { tls_certificate: certificate });
  expect(detail?.notices).toEqual([{ code: "tls_incomplete", parameter: "tls_private_key" }]);
  const next = await save(instance, { tls_certificate: null, tls_private_key: key });
  expect(next.detail?.notices).toEqual([{ code: "tls_incomplete", parameter: "tls_certificate" }]);
});
