import type { Platform } from "../contracts/platform.ts";
import type { OAuthFlow } from "../domain/oauth.ts";
import { Secret } from "../domain/secret.ts";
import { parseServiceAccount, type ServiceAccount } from "../domain/service-account.ts";
import { type ReadClientKey, signRs256 } from "./client-key.ts";
import { notRequested } from "./failures.ts";
import {
  assertionTimes,
  sendTokenRequest,
  type TokenClient,
  type TokenOutcome,
  type TokenRequestDeps,
} from "./token-request.ts";

/** Everything that an access token is made of. */
export interface TokenSettings extends TokenClient {
  readonly flow: OAuthFlow;
  /** Scopes, separated by blanks. Empty: the request names none. */
  readonly scope: string;
  /** The mailbox. */
  readonly username: string;
  /** JSON key file of a Google service account, for `jwt_bearer`. */
  readonly serviceAccount: Secret;
  /** For `refresh_token`. */
  readonly refreshToken: Secret;
}

const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/** Requests an access token by the flow of the settings. Failures are in the result; nothing is thrown. */
export async function requestToken(settings: TokenSettings, deps: TokenRequestDeps): Promise<TokenOutcome> {
  const { flow, tokenUrl, clientId, refreshToken } = settings;
  const missing = (parameter: string): TokenOutcome => ({
    successful: false,
    failure: notRequested(tokenUrl, `${parameter} is missing`),
  });
  if (flow === "jwt_bearer") return requestByAccount(settings, deps);
  if (clientId === "") return missing("oauth_client_id");
  const scope = settings.scope === "" ? {} : { scope: settings.scope };
  if (flow === "client_credentials") return sendTokenRequest(settings, { type: flow, fields: scope }, deps);
  if (refreshToken.isEmpty) return missing("oauth_refresh_token");
  const fields = { refresh_token: refreshToken.reveal(), ...scope };
  return sendTokenRequest(settings, { type: flow, fields }, deps);
}

/** RFC 7523 2.1: the assertion is the grant, and the request has no field of a client. */
async function requestByAccount(settings: TokenSettings, deps: TokenRequestDeps): Promise<TokenOutcome> {
  const account = parseServiceAccount(settings.serviceAccount.reveal());
  const assertion = account && (await createAssertion(account, settings, deps).catch(() => null));
  if (!assertion) {
    const reason = settings.serviceAccount.isEmpty ? "is missing" : "has no readable key";
    return { successful: false, failure: notRequested(settings.tokenUrl, `oauth_service_account ${reason}`) };
  }
  const client = {
    tokenUrl: settings.tokenUrl,
    clientId: "",
    clientSecret: Secret.EMPTY,
    privateKey: Secret.EMPTY,
    certificate: "",
  };
  const outcome = await sendTokenRequest(client, { type: JWT_BEARER, fields: { assertion } }, deps);
  const { clientId } = account;
  if (outcome.successful || clientId === null || !outcome.failure.oauth) return outcome;
  // An admin of Workspace needs this number.
  const oauth = { ...outcome.failure.oauth, clientId };
  return { successful: false, failure: { ...outcome.failure, oauth } };
}

async function createAssertion(
  { email, privateKey, keyId }: ServiceAccount,
  { tokenUrl, scope, username }: TokenSettings,
  {
    platform,
    readClientKey,
  }: { readonly platform: Pick<Platform, "now">; readonly readClientKey: ReadClientKey },
): Promise<string> {
  const claims = { iss: email, sub: username, scope, aud: tokenUrl, ...assertionTimes(platform.now()) };
  return signRs256(keyId === null ? {} : { kid: keyId }, claims, await readClientKey(privateKey));
}
