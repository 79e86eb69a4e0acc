import type { AccessTokens } from "../../../src/domain/oauth.ts";
import { Secret } from "../../../src/domain/secret.ts";
import type { ConnectionSettings } from "../../../src/domain/smtp-server.ts";
import { createTransportByProtocol } from "../../../src/transport/by-protocol.ts";
import { createConnect } from "../../../src/transport/connect.ts";
import { createHttpClient } from "../../../src/transport/http-client.ts";
import { createHttpConnect } from "../../../src/transport/http-target.ts";
import { createMemoryTransport } from "../../../src/transport/memory.ts";
import type { HttpServer, Reaction } from "../../fixtures/http/server.ts";

export const NOW = new Date("2026-06-01T12:00:00Z");
export const TOKEN = "eyJ0eXAiOiJKV1QifQ.ZXhhbXBsZQ.c2lnbmF0dXJl";
export const ACCESS_KEY = "AKIDEXAMPLE";
export const SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
export const MAILBOX = "box+app@example.org";

/** Always the same token, which never expires. */
export const TOKENS: AccessTokens = {
  get: async () => ({ successful: true, accessToken: new Secret(TOKEN) }),
};

/** The dependencies of mail APIs, over real sockets. */
export function apiDeps(ca: readonly string[] = []) {
  const policy = { egress: "private", ports: [] } as const;
  const connect = createHttpConnect({ connect: createConnect({ ...policy, ca }), ...policy });
  return { http: createHttpClient(connect), connect, now: () => NOW };
}

/** A transport whose mail APIs are real, and whose SMTP is in memory. */
export function apiTransport(ca: readonly string[] = []) {
  const smtp = createMemoryTransport();
  return Object.assign(createTransportByProtocol(smtp, apiDeps(ca)), { smtp });
}

export function graphAt(
  { origin }: Pick<HttpServer, "origin">,
  change: Partial<ConnectionSettings> = {},
): ConnectionSettings {
  return {
    ...{ protocol: "graph", host: "contoso.example", port: 443, security: "implicit" },
    ...{ username: MAILBOX, password: Secret.EMPTY, tokens: TOKENS, timeoutMs: 2_000 },
    apiUrl: `${origin}/v1.0`,
    ...change,
  };
}

export function sesAt(
  { origin }: Pick<HttpServer, "origin">,
  change: Partial<ConnectionSettings> = {},
): ConnectionSettings {
  return {
    ...{ protocol: "ses", host: "eu-central-1", port: 443, security: "implicit", tokens: null },
    ...{ username: ACCESS_KEY, password: new Secret(SECRET_KEY), timeoutMs: 2_000 },
    apiUrl: origin,
    ...change,
  };
}

export const SERVERS = { graph: graphAt, ses: sesAt } as const;

/** An error as Graph sends it. */
export const graphError = (status: number, code: string, message = "Some text."): Reaction => ({
  status,
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ error: { code, message, innerError: { "request-id": "1" } } }),
});
/** An error as SES sends it. */
export const sesError = (status: number, name: string, message = "Some text."): Reaction => ({
  status,
  headers: { "x-amzn-ErrorType": `${name}:http://internal.amazon.com/coral/` },
  body: JSON.stringify({ message }),
});
