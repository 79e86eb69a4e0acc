import { describe, expect, test } from "bun:test";
import type { Transport } from "../../src/contracts/transport.ts";
import { Secret } from "../../src/domain/secret.ts";
import type { ConnectionSettings } from "../../src/domain/smtp-server.ts";
import {
  close,
  reply,
  type SmtpTestServer,
  type SmtpTestServerOptions,
  stall,
  startSmtpServer,
} from "../../src/testing/smtp/index.ts";
import { startTokenServer, type TokenServer } from "../fixtures/token-server.ts";
import { sendTo, serverAt } from "../transport/support.ts";
import type { HostileSubject } from "./hostile.ts";

const USER = "o=h,ara@example.com";
const PASSWORD = "a stored password";

/** Settings of a definition whose next login uses this token. */
function byToken({ port }: SmtpTestServer, token: string, change: Partial<ConnectionSettings> = {}) {
  const get = async () => ({ successful: true, accessToken: new Secret(token) }) as const;
  const login = { username: USER, password: new Secret(PASSWORD), tokens: { get } };
  return serverAt(port, { host: "localhost", security: "starttls", ...login, ...change });
}

const commandsOf = ({ connections }: SmtpTestServer) => connections.flatMap(({ commands }) => commands);
const createToken = (tokens: TokenServer) => tokens.createAccessToken({ user: USER });
const sentOf = async (transport: Transport, target: ConnectionSettings) => {
  const receipt = await sendTo(transport, target);
  return receipt.successful ? "sent" : receipt.failure;
};

/** Tests the logins of one driver by XOAUTH2 and OAUTHBEARER. */
export function testAccessTokens(name: string, { makeTransport, material }: HostileSubject): void {
  /** A token server, a mail server that asks it about tokens, and a transport between. */
  async function start(options: SmtpTestServerOptions = {}, tokenOctets = 0) {
    const tokens = await startTokenServer({ tokenOctets });
    const server = await startSmtpServer({
      security: "starttls",
      ...(material && { tls: material.good }),
      verifyToken: (username, token) => tokens.isValid(token, username),
      ...options,
    });
    const transport = await makeTransport();
    return {
      ...{ tokens, server, transport },
      async [Symbol.asyncDispose]() {
        for (const one of [transport, server, tokens]) await one[Symbol.asyncDispose]();
      },
    };
  }

  describe.skipIf(material === null)(`${name}: an access token`, () => {
    for (const mechanism of ["XOAUTH2", "OAUTHBEARER"] as const) {
      for (const [octets, form] of [
        [60, /^AUTH \S+ \S+$/],
        [3_000, /^AUTH \S+$/],
      ] as const) {
        test(`of ${octets} octets logs in by ${mechanism}, once for several messages`, async () => {
          await using system = await start({ mechanisms: ["PLAIN", mechanism] }, octets);
          const { server, tokens, transport } = system;
          const target = byToken(server, createToken(tokens));
          for (let count = 0; count < 3; count++) expect(await sentOf(transport, target)).toBe("sent");
          expect(commandsOf(server).filter((line) => line.startsWith("AUTH"))).toEqual([
            expect.stringMatching(form),
          ]);
          expect(server.logins).toEqual([{ mechanism, username: USER, isAccepted: true, connection: 0 }]);
        });
      }
    }

    test("that is rejected by a challenge fails as auth_rejected, with the server's JSON", async () => {
      await using system = await start();
      const { server, tokens, transport } = system;
      const token = createToken(tokens);
      tokens.revoke(token);
      const failure = await sentOf(transport, byToken(server, token));
      expect(failure).toMatchObject({
        ...{ phase: "auth", code: "auth_rejected", retryable: false, outcome: "not-sent" },
        reply: { code: 535, enhanced: "5.7.8" },
        challenge: { status: "400", schemes: "Bearer", scope: "https://mail.google.com/" },
      });
      expect(server.logins).toMatchObject([{ isAccepted: false }]);
      expect(server.messages).toEqual([]);
    });

    test("that is rejected by a reply fails as auth_rejected, without JSON", async () => {
      await using system = await start({ tokenRejection: "reply" });
      const failure = await sentOf(system.transport, byToken(system.server, "unknown"));
      expect(failure).toMatchObject({ code: "auth_rejected", reply: { code: 535, enhanced: "5.7.3" } });
      expect(failure).not.toHaveProperty("challenge");
    });

    test("never leaves in clear text, and neither does the password", async () => {
      await using system = await start({ security: "none", users: { [USER]: PASSWORD } });
      const { server, tokens, transport } = system;
      const target = byToken(server, createToken(tokens), { security: "none" });
      expect(await sentOf(transport, target)).toMatchObject({ phase: "auth", code: "tls_required" });
      expect(commandsOf(server).filter((line) => !/^(EHLO|QUIT)/.test(line))).toEqual([]);
    });

    test("is not replaced by the password if the server offers no mechanism for it", async () => {
      await using system = await start({ users: { [USER]: PASSWORD }, mechanisms: ["PLAIN", "LOGIN"] });
      const { server, tokens, transport } = system;
      const failure = await sentOf(transport, byToken(server, createToken(tokens)));
      expect(failure).toMatchObject({ phase: "auth", code: "auth_not_offered" });
      expect(server.logins).toEqual([]);
    });

    test("with control characters is never sent", async () => {
      await using system = await start();
      const failure = await sentOf(system.transport, byToken(system.server, "a\r\nMAIL FROM:<>"));
      expect(failure).toMatchObject({ phase: "auth", code: "auth_rejected", reply: null });
      expect(commandsOf(system.server).filter((line) => /AUTH|MAIL/.test(line))).toEqual([]);
    });

    test("that the server repeats in any form is hidden in the receipt", async () => {
      await using system = await start({}, 300);
      const { server, tokens, transport } = system;
      const token = createToken(tokens);
      const line = Buffer.from(`user=${USER}\x01auth=Bearer ${token}\x01\x01`).toString("base64");
      const challenge = Buffer.from(JSON.stringify({ status: "400", token, line })).toString("base64");
      server.script("auth", reply(`334 ${challenge}`));
      server.script(
        "credentials",
        reply(`535-5.7.8 ${line.slice(0, 80)}`, `535-5.7.8 ${line.slice(80)}`, `535 5.7.8 Bearer ${token}`),
      );
      const failure = await sentOf(transport, byToken(server, token));
      expect(failure).toMatchObject({
        challenge: { status: "400", token: "[secret]", line: "[secret]" },
        reply: { text: "[secret] [secret] Bearer [secret]" },
      });
    });

    for (const [what, how] of [
      ["closes", close()],
      ["sends nothing", stall()],
    ] as const) {
      test(`that is rejected by a challenge fails as auth_rejected, even if the server ${what} then`, async () => {
        await using system = await start({ script: { credentials: how } });
        const target = byToken(system.server, "unknown", { timeoutMs: 1_000 });
        expect(await sentOf(system.transport, target)).toMatchObject({
          ...{ code: "auth_rejected", reply: null, challenge: { status: "400" } },
        });
      });
    }
  });
}
