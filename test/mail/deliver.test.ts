import { describe, expect, test } from "bun:test";
import type { Transport } from "../../src/contracts/transport.ts";
import { type Failure, NOTHING_SEEN, notSent, type Receipt } from "../../src/domain/delivery.ts";
import type { AccessTokens } from "../../src/domain/oauth.ts";
import { Secret } from "../../src/domain/secret.ts";
import type { ResolvedServer } from "../../src/domain/smtp-server.ts";
import { createDeliver } from "../../src/mail/deliver.ts";

const { signal } = new AbortController();
const REJECTED = notSent("auth", "auth_rejected", { code: 535, enhanced: "5.7.8", text: "no" });
const OBSERVED = { timingMs: { auth: 2 }, tls: null, roundTrips: 3, seen: NOTHING_SEEN };

const serverWith = (tokens: AccessTokens | null): ResolvedServer => ({
  ...{ host: "mail.example.org", port: 465, security: "implicit", username: "box@example.org" },
  ...{ password: Secret.EMPTY, timeoutMs: 1_000, identifier: "a", poolKey: "a:1", sender: "" },
  ...{ signing: null, dontSendOnError: false, enqueueJob: false, tokens },
});

/** A source that gives `token-1`, `token-2`, …, and records which token was rejected. */
function countingTokens() {
  const rejected: (string | undefined)[] = [];
  const tokens: AccessTokens = {
    async get(options) {
      rejected.push(options.rejected?.reveal());
      return { successful: true, accessToken: new Secret(`token-${rejected.length}`) };
    },
  };
  return { tokens, rejected };
}

/** A transport that logs in with a token for each message, and rejects the tokens that it is told to. */
function transportThat(rejects: (token: string) => Failure | null) {
  const logins: string[] = [];
  const transport: Transport = {
    name: "logging in",
    async send({ server }): Promise<Receipt> {
      const result = await server.tokens?.get({ signal });
      if (result?.successful === false) return { successful: false, failure: result.failure, ...OBSERVED };
      const token = result?.accessToken.reveal() ?? "";
      logins.push(token);
      const failure = rejects(token);
      if (failure !== null) return { successful: false, failure, ...OBSERVED };
      return { successful: true, reply: null, reached: null, ...OBSERVED };
    },
    async [Symbol.asyncDispose]() {
      // It holds nothing.
    },
  };
  return { transport, logins };
}

async function deliver(transport: Transport, server: ResolvedServer) {
  const mail = { server, from: "a@example.org", recipients: ["b@example.net"], bytes: new Uint8Array() };
  const noEncryption = () => Promise.reject(new Error("The message is not encrypted"));
  const [result] = await createDeliver(transport, noEncryption)(mail, { signal });
  if (result === undefined) throw new Error("One recipient has one result");
  return result.receipt;
}

describe("a rejected access token", () => {
  test("is replaced by a fresh one, once", async () => {
    const { tokens, rejected } = countingTokens();
    const { transport, logins } = transportThat((token) => (token === "token-1" ? REJECTED : null));
    const receipt = await deliver(transport, serverWith(tokens));
    expect(receipt).toMatchObject({ successful: true, roundTrips: 6, timingMs: { auth: 4 } });
    expect(logins).toEqual(["token-1", "token-2"]);
    expect(rejected).toEqual([undefined, "token-1"]);
  });

  test("ends as auth_rejected after two logins", async () => {
    const { tokens } = countingTokens();
    const { transport, logins } = transportThat(() => REJECTED);
    expect(await deliver(transport, serverWith(tokens))).toMatchObject({ failure: REJECTED });
    expect(logins).toEqual(["token-1", "token-2"]);
  });

  test("is not sent again if there is no newer one", async () => {
    const tokens: AccessTokens = {
      get: async () => ({ successful: true, accessToken: new Secret("token") }),
    };
    const { transport, logins } = transportThat(() => REJECTED);
    expect(await deliver(transport, serverWith(tokens))).toMatchObject({ failure: REJECTED, roundTrips: 3 });
    expect(logins).toEqual(["token"]);
  });

  test("does not hide that no fresh token can be got", async () => {
    const unavailable = notSent("oauth", "oauth_unavailable");
    const tokens: AccessTokens = {
      get: async (options) =>
        options.rejected
          ? { successful: false, failure: unavailable }
          : { successful: true, accessToken: new Secret("token") },
    };
    const { transport, logins } = transportThat(() => REJECTED);
    expect(await deliver(transport, serverWith(tokens))).toMatchObject({ failure: unavailable });
    expect(logins).toEqual(["token"]);
  });
});

test.each([
  ["a rejected password", null, REJECTED],
  ["another failure", countingTokens().tokens, notSent("recipient", "recipient_rejected")],
])("%s is not tried again", async (_, tokens, failure) => {
  const { transport, logins } = transportThat(() => failure);
  expect(await deliver(transport, serverWith(tokens))).toMatchObject({ failure });
  expect(logins).toHaveLength(1);
});
