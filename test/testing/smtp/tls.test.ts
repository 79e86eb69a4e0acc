import { describe, expect, test } from "bun:test";
import { connect } from "node:tls";
import {
  close,
  delay,
  garbage,
  type KeyPair,
  startSmtpServer,
  testCertificates,
  times,
} from "../../../src/testing/smtp/index.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { openssl } from "../../fixtures/smtp/tls.ts";
import { RawClient } from "./client.ts";

const SECURITY = ["starttls", "implicit"] as const;
type Security = (typeof SECURITY)[number];

/** Connects and verifies the certificate. @returns the greeting, the reply to EHLO, or the error's code. */
async function talk(
  security: Security,
  port: number,
  ca: string | null,
  servername = "localhost",
  client: KeyPair | null = null,
) {
  try {
    using talker = await RawClient.connect({ port });
    if (security === "starttls") {
      await talker.read();
      await talker.ask("STARTTLS");
    }
    await talker.startTls({ ca: ca ?? "", servername, ...client });
    return security === "implicit" ? await talker.read() : await talker.ask("EHLO client.test");
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}

describe.each([...SECURITY])("TLS, %s", (security) => {
  test("`ca` verifies the certificate of the server", async () => {
    await using server = await startSmtpServer({ security });
    expect(await talk(security, server.port, server.ca)).toMatch(/^2[25]0/);
    expect(server.connections[0]?.isTls).toBe(true);
  });

  test.each([
    ["wrongName", "ERR_TLS_CERT_ALTNAME_INVALID"],
    ["expired", "CERT_HAS_EXPIRED"],
    ["untrusted", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
  ] as const)("a certificate that is %s fails as %s", async (tls, code) => {
    await using server = await startSmtpServer({ security, tls });
    expect(await talk(security, server.port, server.ca)).toBe(code);
    await server.closed();
  });

  test("accepts your own certificate, and has no authority for it", async () => {
    const { ca, wrongName } = await testCertificates();
    await using server = await startSmtpServer({ security, tls: wrongName });
    expect(server.ca).toBeNull();
    expect(await talk(security, server.port, ca, "other.example")).toMatch(/^2[25]0/);
  });

  test.each([
    ["close", close()],
    ["garbage", garbage()],
  ] as const)("the handshake can fail: %s", async (_, misbehavior) => {
    await using server = await startSmtpServer({ security, script: { handshake: times(1, misbehavior) } });
    expect(await talk(security, server.port, server.ca)).not.toMatch(/^2/);
    expect(await talk(security, server.port, server.ca)).toMatch(/^2/);
  });

  test("the handshake can be delayed", async () => {
    await using server = await startSmtpServer({ security, script: { handshake: delay(20) } });
    expect(await talk(security, server.port, server.ca)).toMatch(/^2/);
  });

  test("a client without the certificate that the server requires gets no reply", async () => {
    const { ca, client, untrustedClient } = await testCertificates();
    await using server = await startSmtpServer({ security, clientCa: ca });
    expect(await talk(security, server.port, server.ca, "localhost", client)).toMatch(/^2[25]0/);
    expect(await talk(security, server.port, server.ca)).toBe("");
    expect(await talk(security, server.port, server.ca, "localhost", untrustedClient)).toBe("");
    expect(server.connections.map(({ clientName }) => clientName)).toEqual(["client.test", null, null]);
    await server.closed();
  });

  test("replies can be held under TLS", async () => {
    await using server = await startSmtpServer({ security, holdMs: 5, octetDelayMs: 1 });
    expect(await talk(security, server.port, server.ca)).toMatch(/^2/);
  });
});

test("STARTTLS ends the clear-text session (RFC 3207 4.2)", async () => {
  await using server = await startSmtpServer({ security: "starttls", users: { user: "a password" } });
  using client = await RawClient.greet(server);
  await client.ask(`AUTH PLAIN ${Buffer.from("\0user\0a password").toString("base64")}`);
  await client.ask("MAIL FROM:<a@client.test>");
  await client.ask("STARTTLS");
  await client.startTls();
  expect(await client.ask("EHLO client.test")).not.toContain("STARTTLS");
  await client.flight("MAIL FROM:<b@client.test>\r\nRCPT TO:<c@mx.test>\r\nDATA\r\n", 3);
  await client.ask("\r\n.");
  expect(server.messages).toMatchObject([{ from: "b@client.test", isTls: true, isAuthenticated: false }]);
});

test("STARTTLS that is not offered is rejected", async () => {
  await using server = await startSmtpServer();
  using client = await RawClient.greet(server);
  expect(await client.ask("STARTTLS")).toStartWith("503 ");
});

describe("testCertificates()", () => {
  test("creates them once", async () => {
    expect(await testCertificates()).toBe(await testCertificates());
  });

  test.skipIf(openssl === null)("openssl verifies the chain, for the name and the address", async () => {
    const { ca, valid } = await testCertificates();
    const server = await startSmtpServer({ security: "implicit" });
    await using _ = server;
    const socket = connect({ port: server.port, host: "127.0.0.1", ca });
    await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
    expect(socket.authorized).toBe(true);
    socket.destroy();
    using folder = temporaryFolder();
    await Bun.write(`${folder.path}/ca.pem`, ca);
    await Bun.write(`${folder.path}/leaf.pem`, valid.cert);
    for (const check of [
      ["-verify_hostname", "localhost"],
      ["-verify_ip", "127.0.0.1"],
    ]) {
      const strict = [
        "verify",
        "-x509_strict",
        "-purpose",
        "sslserver",
        ...check,
        "-CAfile",
        "ca.pem",
        "leaf.pem",
      ];
      const { stdout } = Bun.spawnSync([openssl ?? "", ...strict], { cwd: folder.path });
      expect(stdout.toString()).toBe("leaf.pem: OK\n");
    }
  });
});
