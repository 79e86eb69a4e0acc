import type { Failure } from "./delivery.ts";
import type { Secret } from "./secret.ts";

/** Ways to get an access token: RFC 6749 4.4, RFC 7523 2.1 and RFC 6749 6. */
export const OAUTH_FLOWS = ["client_credentials", "jwt_bearer", "refresh_token"] as const;
export type OAuthFlow = (typeof OAUTH_FLOWS)[number];

/** SASL mechanisms for access tokens: Google's XOAUTH2, and OAUTHBEARER (RFC 7628). */
export const OAUTH_MECHANISMS = ["auto", "xoauth2", "oauthbearer"] as const;
export type OAuthMechanism = (typeof OAUTH_MECHANISMS)[number];

export type TokenResult =
  | { readonly successful: true; readonly accessToken: Secret }
  | { readonly successful: false; readonly failure: Failure };

/** Source of the access tokens of one definition. */
export interface AccessTokens {
  /**
   * Returns a valid access token, from the cache if possible.
   * @param options.rejected a token that the server rejected: a newer one is wanted. The result is this token itself if
   * none may be requested yet.
   * @throws the signal's reason.
   */
  get(options: { readonly signal: AbortSignal; readonly rejected?: Secret | null }): Promise<TokenResult>;
}
