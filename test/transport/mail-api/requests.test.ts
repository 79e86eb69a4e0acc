import { describe, expect, test } from "bun:test";
import { Secret } from "../../../src/domain/secret.ts";
import { signRequest } from "../../../src/transport/ses/signature.ts";
import { type Reaction, startHttpServer } from "../../fixtures/http/server.ts";
import { verifySignature } from "../../fixtures/http/signature.ts";
import { makeTlsMaterial, openssl } from "../../fixtures/smtp/tls.ts";
import { BYTES, sendTo } from "../support.ts";
import { ACCESS_KEY, apiTransport, graphAt, MAILBOX, SECRET_KEY, sesAt, TOKEN } from "./support.ts";

const ACCEPTED: Reaction = { status: 202, headers: { "request-id": "7a0e" } };
const SENT: Reaction = { status: 200, body: '{"MessageId":"0107-000000"}' };

describe("a message through Microsoft Graph", () => {
  test("is one request with the finished bytes", async () => {
    await using server = await startHttpServer(() => ACCEPTED);
    await using transport = apiTransport();
    const bytes = new TextEncoder().encode("To: b@example.net\r\nSubject: Hello\r\n\r\nHëllo\r\n");
    const receipt = await sendTo(transport, graphAt(server), { bytes });
    expect(receipt).toMatchObject({
      ...{ successful: true, reached: null, roundTrips: 2, tls: null },
      reply: { code: 202, enhanced: null, text: "request-id 7a0e" },
    });
    expect(Object.keys(receipt.timingMs)).toEqual(["oauth", "dns", "connect", "data"]);
    expect(server.requests).toHaveLength(1);
    const [request] = server.requests;
    expect(request?.method).toBe("POST");
    expect(request?.path).toBe(`/v1.0/users/${MAILBOX.replace("+", "%2B")}/sendMail`);
    expect(request?.headers).toMatchObject({
      "content-type": "text/plain",
      authorization: `Bearer ${TOKEN}`,
    });
    expect(Buffer.from(String(request?.body), "base64")).toEqual(Buffer.from(bytes));
  });

  test("goes nowhere without a token", async () => {
    await using server = await startHttpServer(() => ACCEPTED);
    await using transport = apiTransport();
    const receipt = await sendTo(transport, graphAt(server, { tokens: null }));
    expect(receipt).toMatchObject({ successful: false, failure: { phase: "oauth", code: "oauth_client" } });
    expect(server.requests).toEqual([]);
  });

  test.skipIf(openssl === null)("reports the address and the certificate of the API", async () => {
    const material = makeTlsMaterial();
    await using server = await startHttpServer(() => ACCEPTED, material.good);
    await using transport = apiTransport([material.ca]);
    const receipt = await sendTo(transport, graphAt(server));
    expect(receipt).toMatchObject({
      ...{ successful: true, roundTrips: 3, tls: { peer: "good" } },
      seen: {
        addresses: [{ address: "127.0.0.1", result: "connected" }],
        chain: [{ subject: "CN=good" }, { subject: "CN=ca" }],
      },
    });
    const untrusted = apiTransport();
    expect(await sendTo(untrusted, graphAt(server))).toMatchObject({
      failure: { phase: "certificate", code: "cert_untrusted", outcome: "not-sent" },
    });
    expect(server.requests).toHaveLength(1);
  });
});

test("a transport that is disposed of ends what it sends, and sends no more", async () => {
  await using server = await startHttpServer(() => ACCEPTED);
  const transport = apiTransport();
  const graph = graphAt(server);
  await sendTo(transport, graph);
  const sending = sendTo(transport, graph);
  await Promise.resolve();
  await transport[Symbol.asyncDispose]();
  expect(server.requests).toHaveLength(2);
  expect(await sending).toMatchObject({ successful: true });
  expect(await sendTo(transport, graph).catch(String)).toBe("Error: The transport is closed");
});

describe("a message through Amazon SES", () => {
  test("is one request for its recipient, with the finished bytes and a valid signature", async () => {
    await using server = await startHttpServer(() => SENT);
    await using transport = apiTransport();
    const receipt = await sendTo(transport, sesAt(server, { apiUrl: `${server.origin}/a b/` }));
    expect(receipt).toMatchObject({ successful: true, reply: { code: 200, text: "MessageId 0107-000000" } });
    const [request] = server.requests;
    expect(request).toMatchObject({ method: "POST", path: "/a%20b/v2/email/outbound-emails" });
    expect(JSON.parse(String(request?.body))).toEqual({
      FromEmailAddress: "a@example.org",
      Destination: { ToAddresses: ["b@example.net"] },
      Content: { Raw: { Data: BYTES.toBase64() } },
    });
  });

  test("is signed for its region, and for nothing else", async () => {
    await using server = await startHttpServer(() => SENT);
    await using transport = apiTransport();
    await sendTo(transport, sesAt(server));
    const [request] = server.requests;
    if (request === undefined) throw new Error("There is no request");
    expect(verifySignature(request, SECRET_KEY)).toEqual({
      ...{ accessKeyId: ACCESS_KEY, region: "eu-central-1", service: "ses" },
      signedHeaders: ["content-type", "host", "x-amz-date"],
    });
    expect(request.headers["x-amz-date"]).toBe("20260601T120000Z");
    expect(verifySignature(request, "another key")).toBeNull();
    expect(verifySignature({ ...request, body: Buffer.from("{}") }, SECRET_KEY)).toBeNull();
  });
});

describe("signRequest()", () => {
  // AWS's test suite for Signature Version 4: get-vanilla, post-vanilla, post-x-www-form-urlencoded, get-space.
  test.each([
    ["GET", "/", {}, "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"],
    ["POST", "/", {}, "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"],
    [
      "POST",
      "/",
      { "Content-Type": "application/x-www-form-urlencoded" },
      "Param1=value1",
      "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ],
  ] as const)("signs %s %s with %p as AWS does", async (method, path, headers, body, signature) => {
    const url = new URL(path, "https://example.amazonaws.com");
    const { headers: signed } = await signRequest(
      { url, method, headers, body },
      {
        ...{ accessKeyId: ACCESS_KEY, secretKey: new Secret(SECRET_KEY), region: "us-east-1" },
        ...{ service: "service", now: new Date("2015-08-30T12:36:00Z") },
      },
    );
    expect(signed.Authorization).toEndWith(`Signature=${signature}`);
    expect(signed.Authorization).toContain("Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request");
  });
});
