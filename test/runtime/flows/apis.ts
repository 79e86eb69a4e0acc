import { expect } from "bun:test";
import { createServer } from "node:net";
import { type HttpServer, type Reaction, startHttpServer } from "../../fixtures/http/server.ts";
import { verifySignature } from "../../fixtures/http/signature.ts";
import { SENDER, sender } from "../../fixtures/smime/authority.ts";
import { opensslVerify } from "../../fixtures/smime/verify.ts";
import { CLIENT, startTokenServer, type TokenServer } from "../../fixtures/token-server.ts";
import type { Flow, Instance } from "../flow.ts";
import { tlsMaterial } from "../material.ts";

const RECIPIENT = "you@example.net";
const SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const ACCEPTED: Reaction = { status: 202 };
const REJECTED: Reaction = { status: 401, body: '{"error":{"code":"InvalidAuthenticationToken"}}' };

const throughGraph = (origin: string, tokens: TokenServer) => ({
  ...{ server: "graph://contoso.example", api_url: `${origin}/v1.0`, username: SENDER },
  ...{ auth: "oauth2", oauth_token_url: tokens.tokenUrl },
  ...{ oauth_client_id: CLIENT.id, oauth_client_secret: CLIENT.secret },
});
const throughSes = (origin: string) => ({
  ...{ server: "ses://eu-central-1", api_url: origin, username: "AKIDEXAMPLE", password: SECRET_KEY },
});

/** Sends a test message, signed if `signs` is. @returns the part of the response about the delivery. */
async function send({ admin }: Instance, definition: object, signs = false) {
  const { key, certificate, root, intermediate } = await sender("rsa");
  const smime = {
    ...{ smime: true, dont_send_on_error: true, private_key: key },
    certificate: certificate + intermediate.certificate,
  };
  const test = { sender: SENDER, recipient: RECIPIENT, timeout: 5, ...definition, ...(signs && smime) };
  const { body } = await admin.test(test);
  return { value: body.result.value, delivery: body.detail?.delivery, warnings: body.detail?.warnings, root };
}

/** Sends a signed message through Graph. @returns what it recorded. */
async function sendByGraph(instance: Instance, server: HttpServer) {
  await using tokens = await startTokenServer();
  const { value, delivery, warnings, root } = await send(instance, throughGraph(server.origin, tokens), true);
  expect([value, delivery?.code, warnings ?? []]).toEqual([true, null, []]);
  const [request] = server.requests;
  expect(request).toMatchObject({ method: "POST", path: `/v1.0/users/${SENDER}/sendMail` });
  expect(request?.headers["content-type"]).toBe("text/plain");
  expect(request?.headers.authorization).toBe(`Bearer ${tokens.issued[0]}`);
  const message = Buffer.from(String(request?.body), "base64");
  const verified = await opensslVerify(message, root);
  expect(verified.stderr).toContain("successful");
  expect(message.toString()).toContain(`\r\nTo: ${RECIPIENT}\r\n`);
  return delivery;
}

/** Mail APIs: the finished bytes over HTTPS in place of SMTP. */
export const APIS: readonly Flow[] = [
  {
    claim: "a signed message leaves through Microsoft Graph, and verifies with openssl",
    needs: "openssl",
    async run(instance) {
      await using server = await startHttpServer(() => ACCEPTED);
      await sendByGraph(instance, server);
    },
  },
  {
    claim: "a message leaves through Microsoft Graph under a private certificate authority",
    needs: "openssl",
    async run(instance) {
      await using server = await startHttpServer(() => ACCEPTED, tlsMaterial().good);
      await sendByGraph(instance, server);
    },
  },
  {
    claim: "a signed message leaves through Amazon SES with a valid signature of the request",
    needs: "openssl",
    async run(instance) {
      await using server = await startHttpServer(() => ({ status: 200, body: '{"MessageId":"1"}' }));
      const { value, root } = await send(instance, throughSes(server.origin), true);
      expect(value).toBe(true);
      const [request] = server.requests;
      if (request === undefined) throw new Error("There is no request");
      expect(verifySignature(request, SECRET_KEY)).toMatchObject({
        accessKeyId: "AKIDEXAMPLE",
        region: "eu-central-1",
        service: "ses",
      });
      const body = JSON.parse(request.body.toString());
      expect(body).toMatchObject({
        FromEmailAddress: SENDER,
        Destination: { ToAddresses: [RECIPIENT] },
      });
      const verified = await opensslVerify(Buffer.from(body.Content.Raw.Data, "base64"), root);
      expect(verified.stderr).toContain("successful");
    },
  },
  {
    claim: "a token that Microsoft Graph rejects is replaced by a fresh one, once",
    async run(instance) {
      await using server = await startHttpServer(() => REJECTED);
      await using tokens = await startTokenServer();
      const { value, delivery } = await send(instance, throughGraph(server.origin, tokens));
      expect(value).toBe(false);
      expect(delivery).toMatchObject({ phase: "auth", code: "auth_rejected", outcome: "not-sent" });
      expect([server.requests.length, tokens.tokenRequests.length]).toEqual([2, 2]);
    },
  },
  {
    claim: "a lost response of a mail API is unknown, and its other errors have a code",
    async run(instance) {
      const reactions: readonly (readonly [Reaction, object])[] = [
        ["hang-up", { phase: "data", outcome: "unknown" }],
        [{ status: 413 }, { code: "too_large", outcome: "not-sent", retryable: false }],
        [{ status: 429 }, { code: "rate_limited", outcome: "not-sent", retryable: true }],
        [{ status: 503 }, { code: "refused", outcome: "not-sent", retryable: true }],
        [
          { status: 302, headers: { Location: "/" } },
          { code: "protocol", outcome: "not-sent" },
        ],
      ];
      for (const [reaction, expected] of reactions) {
        await using server = await startHttpServer(() => reaction);
        const { value, delivery } = await send(instance, throughSes(server.origin));
        expect(value).toBe(false);
        expect(delivery).toMatchObject(expected);
        expect(delivery?.hint).toMatch(/^[A-Z].*\.$/);
        expect(server.requests).toHaveLength(1);
      }
    },
  },
  {
    claim: "a mail API that cannot be reached has got nothing",
    run: (instance) =>
      unreachable(instance, { phase: "connect", code: "refused", outcome: "not-sent", retryable: true }),
    except: {
      workerd: {
        because: "workerd does not report how far a request got: the outcome of every lost one is unknown",
        run: (instance) => unreachable(instance, { phase: "data", outcome: "unknown" }),
      },
    },
  },
];

async function unreachable(instance: Instance, expected: object): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  await new Promise((resolve) => server.close(resolve));
  const { delivery } = await send(instance, throughSes(`http://127.0.0.1:${port}`));
  expect(delivery).toMatchObject(expected);
}
