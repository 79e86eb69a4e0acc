import * as oauth from "oauth4webapi";
import {
  sendTokenRequest,
  type TokenClient,
  type TokenOutcome,
  type TokenRequestDeps,
} from "./token-request.ts";

/** An authorization request (RFC 6749 4.1.1) with PKCE (RFC 7636). */
export interface AuthorizationRequest {
  /** URL of the authorization endpoint. */
  readonly url: string;
  readonly clientId: string;
  readonly redirectUri: string;
  /** Scopes, separated by blanks. */
  readonly scope: string;
  readonly state: string;
  /** 43 to 128 characters that only the token request reveals. */
  readonly codeVerifier: string;
  /** Parameters that the provider needs besides those of the RFC. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** A code, with the redirect URI to which it came and the code verifier that redeems it. */
export interface RedeemedCode extends Pick<AuthorizationRequest, "redirectUri" | "codeVerifier"> {
  readonly code: string;
}

/** Returns the URL that a browser opens to ask for the authorization. */
export async function authorizationUrl(request: AuthorizationRequest): Promise<string> {
  const url = new URL(request.url);
  const parameters = {
    ...request.parameters,
    response_type: "code",
    client_id: request.clientId,
    redirect_uri: request.redirectUri,
    scope: request.scope,
    state: request.state,
    code_challenge: await oauth.calculatePKCECodeChallenge(request.codeVerifier),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

/** Redeems a code for tokens (RFC 6749 4.1.3, RFC 7636 4.5). Failures are in the result; nothing is thrown. */
export function redeemCode(
  client: TokenClient,
  { code, redirectUri, codeVerifier }: RedeemedCode,
  deps: TokenRequestDeps,
): Promise<TokenOutcome> {
  const fields = { code, redirect_uri: redirectUri, code_verifier: codeVerifier };
  return sendTokenRequest(client, { type: "authorization_code", fields }, deps);
}
