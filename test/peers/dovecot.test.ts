import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { OAUTH_MECHANISMS } from "../../src/domain/oauth.ts";
import { Secret } from "../../src/domain/secret.ts";
import type { ConnectionSettings } from "../../src/domain/smtp-server.ts";
import { postfixObstacle, startPostfix } from "../fixtures/postfix/postfix.ts";
import { startTokenServer } from "../fixtures/token-server.ts";
import { makeTransport, sendTo, serverAt } from "../transport/support.ts";
import { dovecotObstacle, startDovecot } from "./dovecot.ts";
import { createPeerCertificate, DOMAIN } from "./peer.ts";

/** `bun run proof:servers` asks for it: packages are fetched, and programs of others run as root. */
const IS_WANTED = process.env.PEERS === "1";
const TEST_MS = 60_000;
setDefaultTimeout(TEST_MS);

const obstacle = IS_WANTED ? (postfixObstacle() ?? dovecotObstacle()) : "bun run proof:servers runs it";
if (IS_WANTED && obstacle !== null) console.warn(`Skipped: Dovecot behind Postfix; ${obstacle}`);

const USER = "o=h,ara@example.com";
const OCTETS = [60, 3_000] as const;

/** Postfix, Dovecot's authentication behind it, and the token server that Dovecot asks about each token. */
async function start(tokenOctets: number) {
  const certificate = createPeerCertificate();
  const tokens = await startTokenServer({ tokenOctets });
  const dovecot = await startDovecot(tokens.introspectionUrl);
  const postfix = await startPostfix({
    ...{ tls: certificate, users: {}, domain: DOMAIN },
    dovecotSocket: dovecot.socket,
  });
  const transport = makeTransport({ extraCa: [certificate.cert] });
  const send = (accessToken: string, change: Partial<ConnectionSettings>) => {
    const get = async () => ({ successful: true, accessToken: new Secret(accessToken) }) as const;
    const login = { username: USER, tokens: { get }, timeoutMs: 10_000 };
    const target = { host: "localhost", security: "starttls", ...login, ...change } as const;
    // Unsaved definitions have no pool key, so each message logs in.
    return sendTo(transport, serverAt(postfix.port, target), {
      recipient: `you@${DOMAIN}`,
      poolKey: null,
    });
  };
  return {
    ...{ tokens, dovecot, send },
    async [Symbol.asyncDispose]() {
      for (const one of [transport, postfix, dovecot, tokens]) await one[Symbol.asyncDispose]();
    },
  };
}

for (const octets of OCTETS) {
  describe.skipIf(obstacle !== null)(`Dovecot behind Postfix, tokens of ${octets} octets`, () => {
    let started: ReturnType<typeof start> | null = null;
    const system = () => (started ??= start(octets));
    afterAll(async () => (await started)?.[Symbol.asyncDispose]());

    test.each(OAUTH_MECHANISMS)("a valid token logs in by %s", async (oauthMechanism) => {
      const { tokens, send } = await system();
      const token = tokens.createAccessToken({ user: USER });
      const before = tokens.requests.length;
      expect(await send(token, { oauthMechanism })).toMatchObject({ successful: true });
      const asked = tokens.requests.slice(before).map(({ path, fields }) => [path, fields.token === token]);
      expect(asked).toEqual([["/introspect", true]]);
    });

    test.each(["xoauth2", "oauthbearer"] as const)(
      "a revoked token is auth_rejected by %s, with the JSON of the challenge",
      async (oauthMechanism) => {
        const { tokens, send } = await system();
        const token = tokens.createAccessToken({ user: USER });
        tokens.revoke(token);
        expect(await send(token, { oauthMechanism })).toMatchObject({
          successful: false,
          failure: {
            ...{ phase: "auth", code: "auth_rejected", outcome: "not-sent", reply: { code: 535 } },
            challenge: { status: oauthMechanism === "xoauth2" ? "401" : "invalid_token" },
          },
        });
      },
    );

    test("a token of another mailbox is auth_rejected", async () => {
      const { tokens, send } = await system();
      const token = tokens.createAccessToken({ user: "other@example.com" });
      expect(await send(token, {})).toMatchObject({ failure: { phase: "auth", code: "auth_rejected" } });
    });
  });
}
