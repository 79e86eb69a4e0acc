import type { HttpClient } from "../../src/contracts/http-client.ts";
import { Secret } from "../../src/domain/secret.ts";
import { CLIENT_PAIR } from "../../src/mail/oauth/client-pair.ts";
import { requestToken, type TokenSettings } from "../../src/oauth/request-token.ts";
import { createConnect } from "../../src/transport/connect.ts";
import { createHttpClient } from "../../src/transport/http-client.ts";
import { createHttpConnect } from "../../src/transport/http-target.ts";
import { realRandomBytes } from "../fixtures/instance.ts";
import { CLIENT } from "../fixtures/token-server.ts";

const PRIVATE = { egress: "private", ports: [] } as const;
const realHttp = createHttpClient(createHttpConnect({ connect: createConnect(PRIVATE), ...PRIVATE }));

/** Dependencies of a token request, over real sockets. */
export function requestDeps(own: { readonly now?: () => Date; readonly http?: HttpClient } = {}) {
  return {
    http: own.http ?? realHttp,
    platform: { now: own.now ?? (() => new Date()), randomBytes: realRandomBytes },
    ...CLIENT_PAIR,
  };
}

/** Settings of the client that the token server knows. */
export function settingsFor(tokenUrl: string, own: Partial<TokenSettings> = {}): TokenSettings {
  return {
    flow: "client_credentials",
    tokenUrl,
    clientId: CLIENT.id,
    clientSecret: new Secret(CLIENT.secret),
    privateKey: Secret.EMPTY,
    certificate: "",
    serviceAccount: Secret.EMPTY,
    refreshToken: Secret.EMPTY,
    scope: "https://outlook.office365.com/.default",
    username: "mailbox@example.com",
    ...own,
  };
}

/** Requests a token and returns the failure. @throws {Error} if there is a token. */
export async function failureFor(settings: TokenSettings, deps = requestDeps()) {
  const outcome = await requestToken(settings, deps);
  if (outcome.successful) throw new Error("The request got a token");
  return outcome.failure;
}
