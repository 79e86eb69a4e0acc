import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { Secret } from "../../src/domain/secret.ts";
import type { ConnectionSettings } from "../../src/domain/smtp-server.ts";
import {
  type KeyPair,
  startSmtpServer,
  type TestCertificates,
  testCertificates,
} from "../../src/testing/smtp/index.ts";
import { createConnectByName } from "../../src/transport/connect-by-name.ts";
import { openssl } from "../fixtures/smtp/tls.ts";
import { startOpenssl } from "./fixtures/openssl-server.ts";
import { makeTransport, sendTo, serverAt } from "./support.ts";

if (openssl === null) console.warn("openssl is missing: its alerts are not tried");

const SECURITY = ["starttls", "implicit"] as const;

let certificates: TestCertificates;
beforeAll(async () => {
  certificates = await testCertificates();
});

function shown({ key, cert }: KeyPair): Partial<ConnectionSettings> {
  return { tlsCertificate: cert, tlsPrivateKey: new Secret(key) };
}
const target = (port: number, security: (typeof SECURITY)[number], change: Partial<ConnectionSettings>) =>
  serverAt(port, { security, host: "localhost", ...change });
const rejected = (code: string) => ({
  ...{ successful: false, failure: { phase: "certificate", code, outcome: "not-sent", retryable: false } },
});

describe.each([...SECURITY])("a client certificate, %s", (security) => {
  test("reaches a server that requires one, which sees its subject", async () => {
    const { ca, client } = certificates;
    await using server = await startSmtpServer({ security, clientCa: ca });
    await using transport = makeTransport({ extraCa: [ca] });
    for (const _ of [1, 2]) {
      const receipt = await sendTo(transport, target(server.port, security, shown(client)));
      expect(receipt).toMatchObject({ successful: true, tls: { peer: "localhost" } });
    }
    expect(server.connections.map(({ clientName }) => clientName)).toEqual(["client.test"]);
    expect(server.messages).toHaveLength(2);
  });

  test("does not replace the check of the server's certificate", async () => {
    const { ca, client } = certificates;
    await using server = await startSmtpServer({ security, clientCa: ca, tls: "wrongName" });
    await using transport = makeTransport({ extraCa: [ca] });
    const receipt = await sendTo(transport, target(server.port, security, shown(client)));
    expect(receipt).toMatchObject(rejected("cert_name"));
    await using doubting = makeTransport();
    expect(await sendTo(doubting, target(server.port, security, shown(client)))).toMatchObject(
      rejected("cert_untrusted"),
    );
    expect(server.connections.map(({ clientName }) => clientName)).toEqual([null, null]);
  });

  test("is not shown to a server that does not ask for one", async () => {
    const { ca, client } = certificates;
    await using server = await startSmtpServer({ security });
    await using transport = makeTransport({ extraCa: [ca] });
    const receipt = await sendTo(transport, target(server.port, security, shown(client)));
    expect(receipt.successful).toBe(true);
    expect(server.connections[0]?.clientName).toBeNull();
  });

  test("that is missing fails as cert_required", async () => {
    const { ca, client } = certificates;
    await using server = await startSmtpServer({ security, clientCa: ca });
    await using transport = makeTransport({ extraCa: [ca] });
    for (const change of [{}, { tlsCertificate: client.cert }, { tlsPrivateKey: new Secret(client.key) }]) {
      const receipt = await sendTo(transport, target(server.port, security, change));
      expect(receipt).toMatchObject(rejected("cert_required"));
    }
    await server.closed();
  });

  test("that the server rejects without a reason fails as closed, and may be tried again", async () => {
    const { ca, untrustedClient } = certificates;
    await using server = await startSmtpServer({ security, clientCa: ca });
    await using transport = makeTransport({ extraCa: [ca] });
    const receipt = await sendTo(transport, target(server.port, security, shown(untrustedClient)));
    const phase = security === "implicit" ? "greeting" : "ehlo";
    expect(receipt).toMatchObject({
      failure: { phase, code: "closed", outcome: "not-sent", retryable: true },
    });
  });

  test("that is not of the key fails as unsupported_here, before the handshake", async () => {
    const { ca, client, untrustedClient } = certificates;
    await using server = await startSmtpServer({ security, clientCa: ca });
    await using transport = makeTransport({ extraCa: [ca] });
    const mixed = shown({ cert: client.cert, key: untrustedClient.key });
    const receipt = await sendTo(transport, target(server.port, security, mixed));
    expect(receipt).toMatchObject(rejected("unsupported_here"));
    await server.closed();
  });

  test("fails as unsupported_here where the platform opens sockets by name, and nothing is dialed", async () => {
    const { ca, client } = certificates;
    await using server = await startSmtpServer({ security, clientCa: ca });
    const connect = createConnectByName({ egress: "private", ports: [] });
    await using transport = makeTransport({ connect, hidesTlsErrors: true });
    const receipt = await sendTo(transport, target(server.port, security, shown(client)));
    expect(receipt).toMatchObject(rejected("unsupported_here"));
    expect(server.connections).toEqual([]);
  });
});

test("a client certificate has no effect without TLS", async () => {
  await using server = await startSmtpServer();
  const connect = createConnectByName({ egress: "private", ports: [] });
  for (const options of [{}, { connect }]) {
    await using transport = makeTransport(options);
    const receipt = await sendTo(transport, serverAt(server.port, shown(certificates.client)));
    expect(receipt.successful).toBe(true);
  }
});

/** A server that rejects every handshake before its certificate, as one does that has no cipher in common. */
test("a handshake that the server rejects at its start is tls_failed, not a matter of certificates", async () => {
  const HANDSHAKE_FAILURE = Uint8Array.of(0x15, 3, 3, 0, 2, 2, 40);
  const server = createServer((socket) => {
    socket.on("error", () => undefined).once("data", () => socket.end(HANDSHAKE_FAILURE));
  }).listen(0, "127.0.0.1");
  afterAll(() => void server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await using transport = makeTransport();
  const receipt = await sendTo(transport, target(port, "implicit", shown(certificates.client)));
  expect(receipt).toMatchObject({ failure: { phase: "connect", code: "tls_failed", outcome: "not-sent" } });
});

describe.skipIf(openssl === null)("alerts of openssl", () => {
  const KINDS = [
    ["no certificate", () => ({}), "cert_required"],
    ["one of another authority", () => shown(certificates.untrustedClient), "cert_rejected"],
    ["one for servers", () => shown(certificates.valid), "cert_rejected"],
    ["an expired one", () => shown(certificates.expired), "cert_rejected"],
  ] as const;
  for (const security of SECURITY) {
    for (const version of ["tls1_2", "tls1_3"] as const) {
      test(`name the reason with ${version}, ${security}`, async () => {
        const { ca, valid } = certificates;
        await using server = await startOpenssl({ security, version, tls: valid, ca });
        await using transport = makeTransport({ extraCa: [ca] });
        for (const [what, identity, code] of KINDS) {
          const receipt = await sendTo(transport, target(server.port, security, identity()));
          expect([what, receipt]).toEqual([what, expect.objectContaining({ successful: false })]);
          expect([what, receipt]).toMatchObject([what, rejected(code)]);
        }
      });
    }
  }
});
