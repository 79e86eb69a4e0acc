import { expect, test } from "bun:test";
import { onAbort } from "../../src/async/abort.ts";
import { notSent } from "../../src/domain/delivery.ts";
import type { AccessTokens } from "../../src/domain/oauth.ts";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { makeTransport, sendTo, serverAt } from "./support.ts";

const FAILURE = notSent("oauth", "oauth_client");
const failing: AccessTokens = { get: async () => ({ successful: false, failure: FAILURE }) };
/** Answers only when it is aborted, as a request to an endpoint that hangs. */
const hanging: AccessTokens = {
  get: ({ signal }) => new Promise((_, reject) => void onAbort(signal, () => reject(signal.reason))),
};

test.each([
  ["a token endpoint that rejects the client", failing, "oauth_client"],
  ["a token endpoint that hangs", hanging, "oauth_unavailable"],
])("%s fails in phase oauth, and no server is contacted", async (_, tokens, code) => {
  await using server = await startSmtpServer();
  await using transport = makeTransport();
  const target = serverAt(server.port, { username: "box@example.org", tokens, timeoutMs: 300 });
  const receipt = await sendTo(transport, target);
  expect(receipt).toMatchObject({
    successful: false,
    failure: { phase: "oauth", code, outcome: "not-sent", fault: "server" },
    timingMs: { oauth: expect.any(Number) },
    roundTrips: 0,
  });
  expect(server.connections).toEqual([]);
});

test("a check of the connection needs no access token", async () => {
  await using server = await startSmtpServer();
  await using transport = makeTransport();
  const target = serverAt(server.port, { username: "box@example.org", tokens: failing });
  const delivery = { server: target, poolKey: null, from: "", recipient: "postmaster" };
  const { signal } = new AbortController();
  const bytes = new TextEncoder().encode("\r\n");
  const receipt = await transport.send({ ...delivery, bytes }, { signal, until: "connect" });
  expect(receipt).toMatchObject({ successful: true, reached: "connect" });
});
