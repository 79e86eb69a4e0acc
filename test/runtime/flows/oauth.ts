import { expect } from "bun:test";
import { type SmtpTestServer, startSmtpServer } from "../../../src/testing/smtp/index.ts";
import type { Api, ApiResponse } from "../../fixtures/process/api.ts";
import { issue, MAIL_EXTENSIONS } from "../../fixtures/smime/authority.ts";
import { privateKey } from "../../fixtures/smime/keys.ts";
import { openssl, scratchFile } from "../../fixtures/smime/openssl.ts";
import {
  CLIENT,
  invalidClient,
  startTokenServer,
  type TokenServer,
  type TokenServerOptions,
} from "../../fixtures/token-server.ts";
import type { Flow } from "../flow.ts";
import { tlsMaterial } from "../material.ts";

const BOX = "box@example.org";
const AT_ONCE = 50;
const FLOOD = 12;

/** A token server, and a mail server that accepts its tokens. */
interface Provider extends AsyncDisposable {
  readonly oauth: TokenServer;
  readonly smtp: SmtpTestServer;
}

async function startProvider({
  verify,
  ...options
}: TokenServerOptions & { readonly verify?: (token: string) => boolean } = {}): Promise<Provider> {
  const oauth = await startTokenServer(options);
  const smtp = await startSmtpServer({
    security: "starttls",
    tls: tlsMaterial().good,
    verifyToken: (username, token) => verify?.(token) ?? (username === BOX && oauth.isValid(token)),
  });
  return {
    oauth,
    smtp,
    async [Symbol.asyncDispose]() {
      await oauth[Symbol.asyncDispose]();
      await smtp[Symbol.asyncDispose]();
    },
  };
}

function definitionAt({ oauth, smtp }: Provider) {
  return {
    server: `localhost:${smtp.port}`,
    tls: true,
    username: BOX,
    auth: "oauth2",
    oauth_token_url: oauth.tokenUrl,
    oauth_client_id: CLIENT.id,
    oauth_client_secret: CLIENT.secret,
    oauth_scope: "https://mail.example.org/.default",
  };
}

/** Saves a definition that no other flow uses. @returns its identifier. */
async function save(admin: Api, provider: Provider, change: object = {}): Promise<string> {
  const identifier = `oauth-${crypto.randomUUID()}`;
  const { status, body } = await admin.save(identifier, { ...definitionAt(provider), ...change });
  expect([status, body.detail?.warnings]).toEqual([200, undefined]);
  return identifier;
}

const sendTest = (admin: Api, identifier: string, parameters: object = {}): Promise<ApiResponse<boolean>> =>
  admin.call("POST", `/smtpserver/${identifier}/send_test_email`, {
    recipient: "user@example.net",
    ...parameters,
  });

const codesOf = (responses: readonly ApiResponse<boolean>[]) => [
  ...new Set(responses.map(({ body }) => body.detail?.delivery?.code)),
];

/** Claims about definitions that log in with OAuth 2.0. */
export const OAUTH: readonly Flow[] = [
  {
    claim: "50 messages at once through OAuth arrive, and need one access token",
    needs: "openssl",
    async run({ admin }) {
      await using provider = await startProvider();
      const identifier = await save(admin, provider);
      const sends = Array.from({ length: AT_ONCE }, () => sendTest(admin, identifier));
      const responses = await Promise.all(sends);
      expect(codesOf(responses)).toEqual([null]);
      expect(provider.smtp.messages).toHaveLength(AT_ONCE);
      expect(provider.oauth.tokenRequests).toHaveLength(1);
    },
  },
  {
    claim: "an access token that was revoked is replaced by a fresh one, once",
    needs: "openssl",
    async run({ admin }) {
      await using provider = await startProvider();
      const identifier = await save(admin, provider);
      await sendTest(admin, identifier, { until: "oauth" });
      provider.oauth.revoke(provider.oauth.issued[0] ?? "");
      const { body } = await sendTest(admin, identifier);
      expect(body.detail?.delivery).toMatchObject({ outcome: "sent" });
      expect(provider.oauth.tokenRequests).toHaveLength(2);
      expect(provider.smtp.logins).toHaveLength(2);
    },
  },
  {
    claim:
      "a mailbox that accepts no token fails as auth_rejected after two tokens, with the server's report",
    needs: "openssl",
    async run({ admin }) {
      await using provider = await startProvider({ verify: () => false });
      const identifier = await save(admin, provider);
      const { body } = await sendTest(admin, identifier);
      expect(body.detail?.delivery).toMatchObject({
        ...{ phase: "auth", code: "auth_rejected", outcome: "not-sent" },
        challenge: { status: expect.any(String) },
      });
      expect(provider.oauth.tokenRequests).toHaveLength(2);
      expect(provider.smtp.logins).toHaveLength(2);
      expect(JSON.stringify(body)).not.toContain(provider.oauth.issued[0] ?? "");
    },
  },
  {
    claim:
      "a wrong client secret fails as oauth_client with its AADSTS number, and does not flood the endpoint",
    needs: "openssl",
    async run({ admin }) {
      await using provider = await startProvider();
      provider.oauth.misbehave(invalidClient(), Number.POSITIVE_INFINITY);
      const identifier = await save(admin, provider);
      const first = await Promise.all(Array.from({ length: FLOOD }, () => sendTest(admin, identifier)));
      expect(codesOf(first)).toEqual(["oauth_client"]);
      expect(first[0]?.body.detail?.delivery).toMatchObject({
        phase: "oauth",
        oauth: { codes: ["AADSTS7000215"] },
        timing_ms: { oauth: expect.any(Number) },
      });
      expect(provider.oauth.tokenRequests.length).toBeLessThanOrEqual(2);
      for (let count = 0; count < FLOOD; count++) await sendTest(admin, identifier);
      expect(provider.oauth.tokenRequests.length).toBeLessThanOrEqual(3);
      expect(provider.smtp.connections).toEqual([]);
    },
  },
  {
    claim: "a dozen queued messages with a wrong client secret wait, and send at most four token requests",
    needs: "openssl",
    async run({ admin }) {
      await using provider = await startProvider();
      provider.oauth.misbehave(invalidClient(), Number.POSITIVE_INFINITY);
      const identifier = await save(admin, provider);
      const sends = Array.from({ length: FLOOD }, () => sendTest(admin, identifier, { enqueue_job: true }));
      const queued = await Promise.all(sends);
      expect(queued.map(({ body }) => body.result.value)).toEqual(queued.map(() => true));
      const { body } = await sendTest(admin, identifier, { until: "oauth" });
      expect(body.detail?.delivery).toMatchObject({ code: "oauth_client" });
      expect(provider.oauth.tokenRequests.length).toBeLessThanOrEqual(4);
      const { body: list } = await admin.call<{ readonly mails: readonly unknown[] }>("GET", "/mail/");
      expect(JSON.stringify(list)).not.toContain(CLIENT.secret);
    },
  },
  {
    claim: "a certificate in place of the client secret gets a token (private_key_jwt)",
    needs: "openssl",
    async run({ admin }) {
      const key = await privateKey("rsa");
      const certificate = await issue({ key, subject: "/CN=client", extensions: MAIL_EXTENSIONS });
      await using provider = await startProvider({ clients: [{ id: CLIENT.id, certificate }] });
      const pair = { oauth_private_key: key, oauth_certificate: certificate };
      const identifier = await save(admin, provider, { ...pair, oauth_client_secret: "" });
      expect((await sendTest(admin, identifier)).body.detail?.delivery).toMatchObject({ outcome: "sent" });
    },
  },
  {
    claim: "a service account of Google gets a token for the mailbox (jwt_bearer)",
    needs: "openssl",
    async run({ admin }) {
      const key = await privateKey("rsa");
      const publicKey = await openssl("pkey", "-in", scratchFile(key), "-pubout");
      const email = "account@project.iam.gserviceaccount.com";
      await using provider = await startProvider({ serviceAccounts: [{ email, publicKey }] });
      const account = JSON.stringify({ client_email: email, private_key: key, private_key_id: "1" });
      const change = { oauth_flow: "jwt_bearer", oauth_service_account: account };
      const identifier = await save(admin, provider, change);
      expect((await sendTest(admin, identifier)).body.detail?.delivery).toMatchObject({ outcome: "sent" });
    },
  },
  {
    claim: "a check until oauth gets a token and contacts no mail server",
    needs: "openssl",
    async run({ admin }) {
      await using provider = await startProvider();
      const identifier = await save(admin, provider);
      const { body } = await sendTest(admin, identifier, { until: "oauth", recipient: "" });
      expect(body.result.value).toBe(true);
      expect(body.detail?.delivery).toMatchObject({
        reached: "oauth",
        outcome: "not-sent",
        timing_ms: { oauth: expect.any(Number) },
      });
      expect(provider.smtp.connections).toEqual([]);
    },
  },
  {
    claim: "a rotated refresh token is kept, and the next token comes from it",
    needs: "openssl",
    async run({ admin }) {
      await using provider = await startProvider();
      const { oauth } = provider;
      oauth.rotation = "strict";
      const given = oauth.createRefreshToken({ user: BOX });
      const change = { oauth_flow: "refresh_token", oauth_refresh_token: given };
      const identifier = await save(admin, provider, change);
      await sendTest(admin, identifier, { until: "oauth" });
      oauth.revoke(oauth.issued[0] ?? "");
      const { body } = await sendTest(admin, identifier);
      expect(body.detail?.delivery).toMatchObject({ outcome: "sent" });
      const used = oauth.tokenRequests.map(({ fields }) => fields.refresh_token);
      expect(used).toEqual([given, expect.not.stringContaining(given)]);
    },
  },
  {
    claim: "a mailbox that signs in with a browser sends from then on, and its state works once",
    needs: "openssl",
    async run({ admin, origin }) {
      await using provider = await startProvider();
      provider.oauth.user = BOX;
      const change = { oauth_flow: "refresh_token", oauth_scope: "mail offline_access" };
      const identifier = `oauth-${crypto.randomUUID()}`;
      const saved = await admin.save(identifier, { ...definitionAt(provider), ...change });
      expect(saved.status).toBe(200);
      const started = await admin.call<string>("POST", `/smtpserver/${identifier}/oauth/start`);
      const consent = await fetch(started.body.result.value ?? "", { redirect: "manual" });
      const { pathname, search } = new URL(consent.headers.get("location") ?? "");
      expect((await fetch(origin + pathname + search)).status).toBe(200);
      expect((await fetch(origin + pathname + search)).status).toBe(400);
      const { body } = await sendTest(admin, identifier);
      expect(body.detail?.delivery).toMatchObject({ outcome: "sent" });
      const grants = provider.oauth.tokenRequests.map(({ fields }) => fields.grant_type);
      expect(grants).toEqual(["authorization_code", "refresh_token"]);
    },
  },
];
