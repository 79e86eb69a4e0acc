import { beforeAll, describe, expect, spyOn, test } from "bun:test";
import type { Connect, Transport } from "../../src/contracts/transport.ts";
import { notAttempted, notSent } from "../../src/domain/delivery.ts";
import { Secret } from "../../src/domain/secret.ts";
import type { Security } from "../../src/domain/smtp-server.ts";
import * as mis from "../../src/testing/smtp/index.ts";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { createConnect } from "../../src/transport/connect.ts";
import { createMemoryTransport } from "../../src/transport/memory.ts";
import { showRejectedChains } from "../../src/transport/smtp/index.ts";
import { makeTlsMaterial, openssl, type TlsMaterial } from "../fixtures/smtp/tls.ts";
import { BYTES, makeTransport, NOW, never, sendTo, serverAt } from "./support.ts";

if (openssl === null) console.warn("openssl is missing: TLS is not tried");

const KINDS = ["starttls", "implicit"] as const satisfies readonly Security[];

const OPTIONS = {
  connect: createConnect({ egress: "private", ports: [] }),
  ehloName: "client.test",
  now: () => NOW,
};

const REFUSED = [
  ["untrusted", "cert_untrusted"],
  ["otherName", "cert_name"],
  ["expired", "cert_expired"],
] as const;

test("the chain of a rejected certificate is read in what is left of the whole time", async () => {
  const timeoutMs = 60_000;
  let passedMs = 0;
  const now = performance.now.bind(performance);
  using _ = spyOn(performance, "now").mockImplementation(() => now() + passedMs);
  const rejecting: Transport = {
    ...createMemoryTransport(),
    async send() {
      passedMs = 4 * timeoutMs - 1;
      return notAttempted(notSent("certificate", "cert_expired"));
    },
  };
  const connect: Connect = (_, { signal }) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  await using transport = showRejectedChains(rejecting, { ...OPTIONS, connect });
  const receipt = await sendTo(transport, serverAt(25, { timeoutMs }), { showsRejectedChain: true });
  expect([receipt.successful, receipt.seen.chain]).toEqual([false, null]);
}, 5_000);

describe.skipIf(openssl === null)("TLS", () => {
  let material: TlsMaterial;
  beforeAll(() => {
    material = makeTlsMaterial();
  });

  for (const security of KINDS) {
    for (const host of ["localhost", "127.0.0.1"]) {
      test(`${security}: a certificate for ${host} of an extra authority is trusted, and the peer is shown`, async () => {
        await using server = await startSmtpServer({ security, tls: material.good });
        await using transport = makeTransport({ extraCa: [material.ca] });
        const receipt = await sendTo(transport, serverAt(server.port, { security, host }));
        const tls = { protocol: "TLSv1.3", peer: "good", daysLeft: 29 };
        expect(receipt).toMatchObject({ successful: true, tls });
        expect(server.messages[0]?.isTls).toBe(true);
      });
    }

    for (const [kind, code] of REFUSED) {
      test(`${security}: a certificate of kind ${kind} fails as ${code}, and no command is sent`, async () => {
        await using server = await startSmtpServer({
          security,
          tls: material[kind],
          users: { user: "a password" },
        });
        await using transport = makeTransport({ extraCa: [material.ca] });
        const receipt = await sendTo(transport, serverAt(server.port, { security, host: "localhost" }));
        const failure = { phase: "certificate", code, outcome: "not-sent", retryable: false, reply: null };
        // TCP, and for STARTTLS greeting, EHLO and STARTTLS. The handshake has failed.
        const roundTrips = security === "implicit" ? 1 : 4;
        expect(receipt).toMatchObject({ successful: false, failure, roundTrips });
        const said = server.connections.flatMap(({ commands }) => commands);
        expect(said.filter((line) => !/^(EHLO|STARTTLS)/.test(line))).toEqual([]);
      });
    }

    for (const [kind, subject, issuer] of [
      ["untrusted", "CN=localhost", "CN=localhost"],
      ["otherName", "CN=other.example", "CN=ca"],
      ["expired", "CN=expired", "CN=ca"],
    ] as const) {
      test(`${security}: a test shows a rejected certificate of kind ${kind}, read without a login`, async () => {
        const users = { user: "a password" };
        await using server = await startSmtpServer({ security, tls: material[kind], users });
        const options = { ...OPTIONS, extraCa: [material.ca] };
        await using transport = showRejectedChains(makeTransport(options), options);
        const login = { username: "user", password: new Secret("a password") };
        const target = serverAt(server.port, { security, host: "localhost", ...login });
        const envelope = { from: "a@example.org", recipient: "b@example.net", bytes: BYTES };
        for (const { poolKey, until } of [{ poolKey: null }, { poolKey: "key", until: "auth" }] as const) {
          const receipt = await transport.send(
            { server: target, poolKey, ...envelope },
            { signal: never, until, showsRejectedChain: true },
          );
          expect(receipt.seen.chain?.[0]).toEqual({ subject, issuer, notAfter: expect.any(Date) });
        }
        const own = await sendTo(transport, target);
        expect([own.successful, own.seen.chain]).toEqual([false, null]);
        // Such as a probe, which shows nothing.
        const probe = await transport.send(
          { server: target, poolKey: null, ...envelope },
          { signal: never, until: "auth" },
        );
        expect(probe.seen.chain).toBeNull();
        await server.closed();
        expect(server.connections).toHaveLength(6);
        const lines = server.connections.flatMap(({ commands }) => commands);
        expect(lines.filter((line) => !/^(EHLO|STARTTLS)/.test(line))).toEqual([]);
      });
    }

    test(`${security}: an address that the certificate does not name fails as cert_name`, async () => {
      await using server = await startSmtpServer({ security, tls: material.otherName });
      await using transport = makeTransport({ extraCa: [material.ca] });
      const receipt = await sendTo(transport, serverAt(server.port, { security }));
      expect(receipt).toMatchObject({ failure: { phase: "certificate", code: "cert_name" } });
    });

    test(`${security}: without the extra authority the same certificate is not trusted`, async () => {
      await using server = await startSmtpServer({ security, tls: material.good });
      await using transport = makeTransport();
      const receipt = await sendTo(transport, serverAt(server.port, { security, host: "localhost" }));
      expect(receipt).toMatchObject({ failure: { phase: "certificate", code: "cert_untrusted" } });
    });
  }

  test("missing STARTTLS fails as tls_not_offered, and nothing is sent after EHLO", async () => {
    await using server = await startSmtpServer({ users: { user: "a password" } });
    await using transport = makeTransport();
    const receipt = await sendTo(
      transport,
      serverAt(server.port, { security: "starttls", username: "user" }),
    );
    const failure = { phase: "starttls", code: "tls_not_offered", outcome: "not-sent", retryable: false };
    expect(receipt).toMatchObject({ successful: false, tls: null, failure });
    expect(server.connections[0]?.commands).toEqual(["EHLO client.test"]);
  });

  test("implicit TLS to a clear-text port fails in phase connect as protocol", async () => {
    await using server = await startSmtpServer();
    await using transport = makeTransport();
    const receipt = await sendTo(transport, serverAt(server.port, { security: "implicit" }));
    expect(receipt).toMatchObject({ failure: { phase: "connect", code: "protocol", outcome: "not-sent" } });
  });

  for (const [what, how, code] of [
    ["closes", mis.close(), "closed"],
    ["closes its half", mis.halfClose(), "closed"],
    ["sends nothing", mis.stall(), "timeout"],
    ["sends garbage", mis.reply("HTTP/1.1 400 Bad Request"), "protocol"],
  ] as const) {
    test(`implicit TLS to a server that ${what} fails in phase connect as ${code}, and no socket is left`, async () => {
      await using server = await startSmtpServer({ script: { connect: how } });
      await using transport = makeTransport();
      const receipt = await sendTo(
        transport,
        serverAt(server.port, { security: "implicit", timeoutMs: 150 }),
      );
      const failure = { phase: "connect", code, outcome: "not-sent", retryable: true };
      expect(receipt).toMatchObject({ successful: false, failure });
      await server.closed();
    });
  }

  test("clear text to a TLS port times out at the greeting", async () => {
    await using server = await startSmtpServer({ security: "implicit", tls: material.good });
    await using transport = makeTransport();
    const receipt = await sendTo(transport, serverAt(server.port, { timeoutMs: 100 }));
    expect(receipt).toMatchObject({ failure: { phase: "greeting", code: "timeout", retryable: true } });
  });

  test("a failure after the handshake still shows the peer", async () => {
    await using server = await startSmtpServer({ security: "starttls", tls: material.good });
    await using transport = makeTransport({ extraCa: [material.ca] });
    const target = serverAt(server.port, { security: "starttls", username: "user" });
    const receipt = await sendTo(transport, target);
    expect(receipt).toMatchObject({ failure: { code: "auth_not_offered" }, tls: { protocol: "TLSv1.3" } });
  });
});
