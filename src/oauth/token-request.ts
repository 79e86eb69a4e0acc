import * as oauth from "oauth4webapi";
import type { HttpClient } from "../contracts/http-client.ts";
import type { Platform } from "../contracts/platform.ts";
import type { Failure } from "../domain/delivery.ts";
import { Secret } from "../domain/secret.ts";
import {
  importClientKey,
  type ReadCertificate,
  type ReadClientKey,
  type Thumbprints,
  thumbprintsOf,
} from "./client-key.ts";
import { Exchange } from "./exchange.ts";
import { notRequested, tokenFailure, unusableToken } from "./failures.ts";

/** The client that asks for a token, and the endpoint that it asks. */
export interface TokenClient {
  /** URL of the token endpoint. */
  readonly tokenUrl: string;
  /** Empty: the request names no client, because its grant does. */
  readonly clientId: string;
  /** Empty for a public client, and for one that signs. */
  readonly clientSecret: Secret;
  /** PEM text of a key for private_key_jwt. Empty if there is none. */
  readonly privateKey: Secret;
  /** PEM text of the certificate of that key. */
  readonly certificate: string;
}

export interface TokenRequestDeps {
  readonly http: HttpClient;
  readonly platform: Platform;
  readonly readClientKey: ReadClientKey;
  readonly readCertificate: ReadCertificate;
}

/** A grant of RFC 6749 1.3, or of an extension: its type and its fields. */
interface Grant {
  readonly type: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** The tokens that an endpoint issued. */
export interface IssuedTokens {
  readonly accessToken: Secret;
  /** `null` if the endpoint does not say. */
  readonly expiresInSeconds: number | null;
  /** The refresh token to use from now on; `null` if the endpoint sent none. */
  readonly refreshToken: Secret | null;
  /** OpenID Connect Core 2: a JWT that came directly from the endpoint; `null` if it sent none. */
  readonly idToken: string | null;
}

export type TokenOutcome =
  | { readonly successful: true; readonly tokens: IssuedTokens }
  | {
      readonly successful: false;
      readonly failure: Failure;
      /** The refresh token that came without a usable access token. */
      readonly refreshToken?: Secret | null;
    };

/** The time for connecting, the request and its response, in milliseconds. */
const TOTAL_MS = 10_000;
/** The age of an assertion when it is sent, for endpoints whose clock is behind ours. */
const BACKDATE_SECONDS = 60;
/** Life of an assertion from now on. Microsoft recommends five to ten minutes. */
const ASSERTION_SECONDS = 300;
const ID_BYTES = 16;
/** RFC 6749 A.12: visible ASCII and blanks. A control character could end a line of SMTP. */
const ACCESS_TOKEN = /^[\x20-\x7e]+$/;
/** For error reports of a request that names no client; the library requires a name. */
const NO_CLIENT = "-";

/** Sends one token request (RFC 6749 3.2). Failures are in the result; nothing is thrown. */
export async function sendTokenRequest(
  client: TokenClient,
  { type, fields }: Grant,
  deps: TokenRequestDeps,
): Promise<TokenOutcome> {
  const { tokenUrl, clientId } = client;
  const signal = AbortSignal.timeout(TOTAL_MS);
  const exchange = new Exchange({ http: deps.http, signal, now: () => deps.platform.now() });
  const failed = (failure: Failure): TokenOutcome => ({
    successful: false,
    failure,
    refreshToken: refreshTokenOf(exchange),
  });
  if (!URL.canParse(tokenUrl)) return failed(notRequested(tokenUrl, "oauth_token_url is missing"));
  const certificate = client.privateKey.isEmpty ? null : deps.readCertificate(client.certificate);
  const thumbprints = certificate && (await thumbprintsOf(certificate));
  const request = {
    url: tokenUrl,
    exchange,
    ...(clientId && { clientId }),
    ...(thumbprints && { thumbprint: thumbprints.sha1 }),
  };
  const server = { issuer: tokenUrl, token_endpoint: tokenUrl };
  const libraryClient = { client_id: clientId || NO_CLIENT };
  const authentication = await authenticationOf(client, thumbprints, deps).catch(() => null);
  if (authentication === null) return failed(notRequested(tokenUrl, "oauth_private_key cannot be read"));
  try {
    const response = await oauth.genericTokenEndpointRequest(
      server,
      libraryClient,
      authentication,
      type,
      fields,
      {
        headers: { "user-agent": "Sealpost" },
        [oauth.customFetch]: (url: string, init) => exchange.fetch(url, init),
        // The HTTP client allows it on loopback only.
        [oauth.allowInsecureRequests]: true,
      },
    );
    const reply = await oauth.processGenericTokenEndpointResponse(server, libraryClient, response);
    if (!ACCESS_TOKEN.test(reply.access_token)) return failed(unusableToken(request));
    return {
      successful: true,
      tokens: {
        accessToken: new Secret(reply.access_token),
        expiresInSeconds: exchange.seconds("expires_in"),
        refreshToken: refreshTokenOf(exchange),
        idToken: exchange.text("id_token"),
      },
    };
  } catch (error) {
    return failed(tokenFailure(error, request));
  }
}

/** Whatever else is wrong with a successful response, the endpoint may have voided the refresh token that was sent. */
function refreshTokenOf(exchange: Exchange): Secret | null {
  const text = exchange.reply?.isSuccessful ? exchange.text("refresh_token") : null;
  return text === null ? null : new Secret(text);
}

/** Returns how the client authenticates: by its key, by its secret in the form, or not at all. */
async function authenticationOf(
  { tokenUrl, clientId, clientSecret, privateKey }: TokenClient,
  thumbprints: Thumbprints | null,
  { platform, readClientKey }: TokenRequestDeps,
): Promise<oauth.ClientAuth> {
  if (clientId === "") return () => undefined;
  if (privateKey.isEmpty) {
    return clientSecret.isEmpty ? oauth.None() : oauth.ClientSecretPost(clientSecret.reveal());
  }
  const key = await importClientKey(await readClientKey(privateKey.reveal()));
  return oauth.PrivateKeyJwt(key, {
    [oauth.modifyAssertion](header, payload) {
      header.typ = "JWT";
      if (thumbprints) header["x5t#S256"] = thumbprints.sha256;
      const { iat, exp } = assertionTimes(platform.now());
      const jti = platform.randomBytes(ID_BYTES).toHex();
      Object.assign(payload, { aud: tokenUrl, jti, iat, nbf: iat, exp });
    },
  });
}

/** Returns `iat` and `exp` of an assertion that is sent now. */
export function assertionTimes(now: Date): { readonly iat: number; readonly exp: number } {
  const seconds = Math.floor(now.getTime() / 1_000);
  return { iat: seconds - BACKDATE_SECONDS, exp: seconds + ASSERTION_SECONDS };
}
