import { describe, expect, test } from "bun:test";
import { Secret } from "../../../src/domain/secret.ts";
import type { Security } from "../../../src/domain/smtp-server.ts";
import { reply, stall, startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { testTransport } from "../../contract/transport.ts";
import { makeTlsMaterial, openssl } from "../../fixtures/smtp/tls.ts";
import { sendTo, serverAt } from "../../transport/support.ts";
import { serveTransports } from "./fixtures/remote-transport.ts";

if (openssl === null) console.warn("openssl is missing: TLS in workerd is not tried");

const material = openssl === null ? null : makeTlsMaterial();
const workers = await serveTransports(material === null ? [] : [material.ca]);

testTransport("smtp in workerd", async () => {
  const server = await startSmtpServer();
  const transport = await workers.open("smtp");
  return {
    transport,
    server: serverAt(server.port),
    arrived: () => server.messages.map((mail) => ({ ...mail, recipient: mail.recipients.join() })),
    rejectRecipients: () => server.script("rcpt", reply("550 5.1.1 No such user")),
    async [Symbol.asyncDispose]() {
      await transport[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
});

test("a message through an idle connection takes two round trips with PIPELINING", async () => {
  await using server = await startSmtpServer();
  await using transport = await workers.open("smtp");
  await sendTo(transport, serverAt(server.port));
  const [connection] = server.connections;
  const before = connection?.flights ?? 0;
  for (let mail = 1; mail <= 5; mail++) {
    await sendTo(transport, serverAt(server.port));
    expect(connection?.flights).toBe(before + 2 * mail);
  }
  expect(server.connections).toHaveLength(1);
});

test("aborting while the server is silent rejects with the reason and closes the socket", async () => {
  const controller = new AbortController();
  const reason = new Error("No longer wanted");
  await using server = await startSmtpServer({
    script: {
      ehlo: (peer, reply) => {
        stall()(peer, reply);
        controller.abort(reason);
      },
    },
  });
  await using transport = await workers.open("smtp");
  const sending = sendTo(transport, serverAt(server.port), { signal: controller.signal });
  expect(await sending.catch((error: unknown) => error)).toBe(reason);
  await server.closed();
});

/** Failures to connect, which other runtimes distinguish and workerd does not. */
const UNREACHABLE = [
  ["a port where nothing listens", { host: "127.0.0.1", port: 1 }, "unreachable"],
  ["a name without address", { host: "nowhere.invalid", port: 587 }, "unreachable"],
  ["implicit TLS where nothing listens", { port: 1, security: "implicit" }, "unreachable"],
  ["port 25 where nothing listens", { host: "127.0.0.255", port: 25 }, "unsupported_here"],
] as const;

for (const [what, target, code] of UNREACHABLE) {
  test(`${what} fails in phase connect with ${code}`, async () => {
    await using transport = await workers.open("smtp");
    const receipt = await sendTo(transport, serverAt(1, target));
    const failure = { phase: "connect", code, outcome: "not-sent", retryable: code === "unreachable" };
    expect(receipt).toMatchObject({ successful: false, failure });
  });
}

test("an address that the egress policy denies is not dialed", async () => {
  await using transport = await workers.open("smtp");
  const receipt = await sendTo(transport, serverAt(25, { host: "169.254.169.254" }));
  const failure = { phase: "policy", code: "egress_denied", retryable: false };
  expect(receipt).toMatchObject({ successful: false, failure, timingMs: {} });
});

describe.skipIf(material === null)("TLS in workerd", () => {
  if (material === null) return;
  const kinds = ["starttls", "implicit"] as const satisfies readonly Security[];
  const login = { username: "user", password: new Secret("a password") };

  for (const security of kinds) {
    for (const host of ["localhost", "127.0.0.1"]) {
      test(`${security}: a certificate for ${host} of an authority that workerd trusts is accepted`, async () => {
        await using server = await startSmtpServer({
          security,
          tls: material.good,
          users: { user: "a password" },
        });
        await using transport = await workers.open("smtp");
        const receipt = await sendTo(transport, serverAt(server.port, { security, host, ...login }));
        // workerd exposes nothing about the peer.
        const tls = { protocol: null, peer: null, daysLeft: null };
        expect(receipt).toMatchObject({ successful: true, tls });
        expect(server.messages[0]).toMatchObject({ isTls: true, isAuthenticated: true });
      });
    }

    for (const kind of ["untrusted", "otherName", "expired"] as const) {
      test(`${security}: a certificate of kind ${kind} fails as tls_failed, and nothing is sent`, async () => {
        await using server = await startSmtpServer({
          security,
          tls: material[kind],
          users: { user: "a password" },
        });
        await using transport = await workers.open("smtp");
        const target = serverAt(server.port, { security, host: "localhost", ...login });
        const failure = { phase: "certificate", code: "tls_failed", outcome: "not-sent", retryable: false };
        expect(await sendTo(transport, target)).toMatchObject({ successful: false, failure });
        const commandLines = server.connections.flatMap(({ commands }) => commands);
        expect(commandLines.filter((line) => !/^(EHLO|STARTTLS)/.test(line))).toEqual([]);
      });
    }
  }

  test("implicit TLS to a server without TLS fails as tls_failed", async () => {
    await using server = await startSmtpServer();
    await using transport = await workers.open("smtp");
    const receipt = await sendTo(transport, serverAt(server.port, { security: "implicit" }));
    expect(receipt).toMatchObject({ failure: { phase: "certificate", code: "tls_failed" } });
  });

  test("missing STARTTLS fails, and no credentials are sent", async () => {
    await using server = await startSmtpServer({ users: { user: "a password" } });
    await using transport = await workers.open("smtp");
    const target = serverAt(server.port, { security: "starttls", ...login });
    const failure = { phase: "starttls", code: "tls_not_offered" };
    expect(await sendTo(transport, target)).toMatchObject({ successful: false, failure });
    expect(server.connections[0]?.commands).toEqual(["EHLO client.test", "QUIT"]);
  });
});
