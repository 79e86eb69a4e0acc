import { describe, expect, test } from "bun:test";
import type { JointTransport, Transport } from "../../src/contracts/transport.ts";
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

test.each([
  ["a large message are encrypted a few at a time", 30 * 1024 * 1024, 2],
  ["a small message are encrypted together", 1024, 8],
])("the copies of %s", async (_, octets, most) => {
  let inFlight = 0;
  let seen = 0;
  const gate = Promise.withResolvers<void>();
  const transport: Transport = {
    name: "counting",
    async send(): Promise<Receipt> {
      inFlight++;
      seen = Math.max(seen, inFlight);
      if (inFlight === most) gate.resolve();
      await gate.promise;
      // The copy is in memory until the transport is done with it.
      await Promise.resolve();
      inFlight--;
      return { successful: true, reply: null, reached: null, ...OBSERVED };
    },
    async [Symbol.asyncDispose]() {
      // It holds nothing.
    },
  };
  const recipients = Array.from({ length: 8 }, (_, index) => `r${index}@example.net`);
  const certificates = Object.fromEntries(recipients.map((recipient) => [recipient, recipient]));
  const encryption = { certificates, clear: null };
  const mail = { server: serverWith(null), from: "a@example.org", recipients, encryption };
  const deliver = createDeliver(transport, async () => new Uint8Array(1));
  const results = await deliver({ ...mail, bytes: new Uint8Array(octets) }, { signal });
  expect([results.map(({ recipient }) => recipient), seen]).toEqual([recipients, most]);
});

test("an API that takes all recipients from the message gets encrypted ones one at a time", async () => {
  const requests: (readonly [readonly string[], number])[] = [];
  const receipt: Receipt = { successful: true, reply: null, reached: null, ...OBSERVED };
  const transport: JointTransport = {
    name: "joint",
    sendsJointly: () => true,
    async send({ recipient, bytes }) {
      requests.push([[recipient], bytes.length]);
      return receipt;
    },
    async sendJointly({ recipients, bytes }) {
      requests.push([recipients, bytes.length]);
      return receipt;
    },
    async [Symbol.asyncDispose]() {
      // It holds nothing.
    },
  };
  const recipients = ["a@example.net", "b@example.net"];
  const mail = { server: serverWith(null), from: "a@example.org", recipients, bytes: new Uint8Array(5) };
  const deliver = createDeliver(transport, async (_, certificate) => new Uint8Array(certificate.length));
  await deliver(mail, { signal });
  const encryption = { certificates: { "a@example.net": "pem" }, clear: new Uint8Array(9) };
  await deliver({ ...mail, encryption }, { signal });
  const [unencrypted, ...encrypted] = requests;
  expect(unencrypted).toEqual([recipients, 5]);
  expect(new Map(encrypted.map(([to, octets]) => [to.join(), octets]))).toEqual(
    new Map([
      ["a@example.net", 3],
      ["b@example.net", 9],
    ]),
  );
});
