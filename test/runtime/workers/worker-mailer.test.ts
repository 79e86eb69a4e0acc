import { describe, expect, test } from "bun:test";
import { Secret } from "../../../src/domain/secret.ts";
import { reply, stall, startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { testTransport } from "../../contract/transport.ts";
import { makeTlsMaterial, openssl } from "../../fixtures/smtp/tls.ts";
import { sendTo, serverAt } from "../../transport/support.ts";
import { serveTransports } from "./fixtures/remote-transport.ts";

if (openssl === null) console.warn("openssl is missing: TLS of worker-mailer is not tried");

const material = openssl === null ? null : makeTlsMaterial();
const workers = await serveTransports(material === null ? [] : [material.ca]);
const open = () => workers.open("worker-mailer");

testTransport("worker-mailer in workerd", async () => {
  const server = await startSmtpServer();
  const transport = await open();
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

test("a message through an idle connection takes four round trips", async () => {
  await using server = await startSmtpServer();
  await using transport = await open();
  await sendTo(transport, serverAt(server.port));
  const [connection] = server.connections;
  const before = connection?.flights ?? 0;
  for (let mail = 1; mail <= 3; mail++) {
    await sendTo(transport, serverAt(server.port));
    expect(connection?.flights).toBe(before + 4 * mail);
  }
  expect(server.connections).toHaveLength(1);
});

test("no message is lost when a server closes an idle connection", async () => {
  await using server = await startSmtpServer();
  await using transport = await open();
  await sendTo(transport, serverAt(server.port));
  server.connections[0]?.write("421 4.4.2 Idle\r\n");
  server.connections[0]?.destroy();
  expect((await sendTo(transport, serverAt(server.port))).successful).toBe(true);
});

test("the names, addresses and parameters on the wire are ours, and there is no NOTIFY", async () => {
  await using server = await startSmtpServer({ extensions: ["DSN", "SIZE", "8BITMIME", "SMTPUTF8"] });
  await using transport = await open();
  const bytes = new TextEncoder().encode("Subject: Grüße\r\n\r\nBcc: nobody\r\n");
  await sendTo(transport, serverAt(server.port), { recipient: "grüße@example.net", bytes });
  expect(server.connections[0]?.commands.slice(0, 4)).toEqual([
    "EHLO client.test",
    `MAIL FROM:<a@example.org> SMTPUTF8 BODY=8BITMIME SIZE=${bytes.length}`,
    Buffer.from("RCPT TO:<grüße@example.net>").toString("latin1"),
    "DATA",
  ]);
  expect(server.messages[0]?.bytes.toString()).toBe(Buffer.from(bytes).toString());
});

test("octets that are not UTF-8 arrive unchanged", async () => {
  await using server = await startSmtpServer();
  await using transport = await open();
  const bytes = Uint8Array.of(0xff, 0xfe, 0x80, 0x0d, 0x0a);
  await sendTo(transport, serverAt(server.port), { bytes });
  expect([...(server.messages[0]?.bytes ?? [])]).toEqual([...bytes]);
});

describe("AUTH by worker-mailer", () => {
  for (const mechanism of ["PLAIN", "LOGIN", "CRAM-MD5"]) {
    test(`${mechanism} accepts credentials outside Latin-1`, async () => {
      await using server = await startSmtpServer({ users: { "us€r": "pä€ss" }, mechanisms: [mechanism] });
      await using transport = await open();
      const login = { username: "us€r", password: new Secret("pä€ss") };
      expect(await sendTo(transport, serverAt(server.port, login))).toMatchObject({ successful: true });
      expect(server.messages[0]?.isAuthenticated).toBe(true);
    });
  }

  const REFUSED = [
    ["is wrong", { password: new Secret("another") }, ["PLAIN"], "auth_rejected"],
    ["is empty", { password: Secret.EMPTY }, ["PLAIN"], "auth_rejected"],
    ["has no mechanism", {}, ["GSSAPI"], "auth_not_offered"],
  ] as const;
  for (const [what, change, mechanisms, code] of REFUSED) {
    test(`a password that ${what} fails as ${code}, and no transaction starts`, async () => {
      await using server = await startSmtpServer({ users: { user: "a password" }, mechanisms });
      await using transport = await open();
      const login = { username: "user", password: new Secret("a password"), ...change };
      const failure = { phase: "auth", code, outcome: "not-sent", retryable: false };
      expect(await sendTo(transport, serverAt(server.port, login))).toMatchObject({ failure });
      const verbs = server.connections[0]?.commands.map((line) => line.split(" ")[0]);
      expect(verbs).not.toContain("MAIL");
    });
  }

  test("is skipped without a username", async () => {
    await using server = await startSmtpServer({ users: { user: "a password" } });
    await using transport = await open();
    expect((await sendTo(transport, serverAt(server.port))).successful).toBe(true);
  });
});

test("a HELO-only server gets mail in clear text, and none if TLS or AUTH is required", async () => {
  await using server = await startSmtpServer({ script: { ehlo: reply("500 5.5.1 What") } });
  await using transport = await open();
  const index = (change: Parameters<typeof serverAt>[1]) =>
    sendTo(transport, serverAt(server.port, change), { poolKey: null });
  expect((await index({})).successful).toBe(true);
  expect(await index({ security: "starttls" })).toMatchObject({ failure: { code: "tls_not_offered" } });
  const login = { username: "user", password: new Secret("a password") };
  expect(await index(login)).toMatchObject({ failure: { code: "auth_not_offered" } });
  expect(server.messages).toHaveLength(1);
});

const UNSUPPORTED = {
  sender: { from: "grüße@example.org" },
  recipient: { recipient: "grüße@example.net" },
  data: { bytes: new TextEncoder().encode("Grüße\r\n") },
} as const;
for (const [phase, change] of Object.entries(UNSUPPORTED)) {
  test(`a message that needs a missing extension fails in phase ${phase} and is not sent`, async () => {
    await using server = await startSmtpServer({ extensions: [] });
    await using transport = await open();
    const receipt = await sendTo(transport, serverAt(server.port), change);
    expect(receipt).toMatchObject({ failure: { phase, code: "unsupported_here", outcome: "not-sent" } });
    expect(server.messages).toEqual([]);
  });
}

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
  await using transport = await open();
  const sending = sendTo(transport, serverAt(server.port), { signal: controller.signal });
  expect(await sending.catch((error: unknown) => error)).toBe(reason);
  await server.closed();
});

const UNREACHABLE = [
  ["a port where nothing listens", { host: "127.0.0.1", port: 1 }, "unreachable"],
  ["a name without address", { host: "nowhere.invalid", port: 587 }, "unreachable"],
  ["implicit TLS where nothing listens", { port: 1, security: "implicit" }, "unreachable"],
  ["port 25 where nothing listens", { host: "127.0.0.255", port: 25 }, "unsupported_here"],
] as const;
for (const [what, target, code] of UNREACHABLE) {
  test(`${what} fails in phase connect with ${code}`, async () => {
    await using transport = await open();
    const failure = { phase: "connect", code, outcome: "not-sent", retryable: code === "unreachable" };
    expect(await sendTo(transport, serverAt(1, target))).toMatchObject({ successful: false, failure });
  });
}

test("an address that the egress policy denies is not dialed", async () => {
  await using transport = await open();
  const receipt = await sendTo(transport, serverAt(25, { host: "169.254.169.254" }));
  expect(receipt).toMatchObject({ failure: { phase: "policy", code: "egress_denied" }, timingMs: {} });
});

describe.skipIf(material === null)("TLS of worker-mailer", () => {
  if (material === null) return;
  const login = { username: "user", password: new Secret("a password") };
  const users = { user: "a password" };

  for (const security of ["starttls", "implicit"] as const) {
    test(`${security}: message and credentials go through TLS`, async () => {
      await using server = await startSmtpServer({ security, tls: material.good, users });
      await using transport = await open();
      const target = serverAt(server.port, { security, host: "localhost", ...login });
      const tls = { protocol: null, peer: null, daysLeft: null };
      expect(await sendTo(transport, target)).toMatchObject({ successful: true, tls });
      expect(server.messages[0]).toMatchObject({ isTls: true, isAuthenticated: true });
    });

    for (const kind of ["untrusted", "otherName", "expired"] as const) {
      test(`${security}: a certificate of kind ${kind} fails as tls_failed, and nothing is sent`, async () => {
        await using server = await startSmtpServer({ security, tls: material[kind], users });
        await using transport = await open();
        const target = serverAt(server.port, { security, host: "localhost", ...login });
        const failure = { phase: "certificate", code: "tls_failed", outcome: "not-sent", retryable: false };
        expect(await sendTo(transport, target)).toMatchObject({ successful: false, failure });
        const commandLines = server.connections.flatMap(({ commands }) => commands);
        expect(commandLines.filter((line) => !/^(EHLO|STARTTLS)/.test(line))).toEqual([]);
      });
    }
  }

  test("missing STARTTLS fails, and no credentials are sent", async () => {
    await using server = await startSmtpServer({ users });
    await using transport = await open();
    const target = serverAt(server.port, { security: "starttls", ...login });
    const failure = { phase: "starttls", code: "tls_not_offered" };
    expect(await sendTo(transport, target)).toMatchObject({ successful: false, failure });
    expect(server.connections[0]?.commands).toEqual(["EHLO client.test", "QUIT"]);
  });
});
