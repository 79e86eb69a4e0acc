import type { OAuthFlow } from "./oauth.ts";
import { parseServiceAccount } from "./service-account.ts";

/** The fields of a definition that choose its token endpoint. */
export interface TokenEndpointFields {
  readonly oauthFlow: OAuthFlow;
  readonly oauthTokenUrl: string;
  readonly oauthScope: string;
  /** Tenant of `graph://`; `null` for other definitions. */
  readonly graphTenant: string | null;
  /** Key file of a Google service account. Empty if there is none. */
  readonly oauthServiceAccount: string;
}

/** Where a definition gets its access tokens, and what they are for. */
interface TokenEndpoint {
  /** Empty if the definition names none. */
  readonly url: string;
  /** Scopes, separated by blanks. Empty: those that were granted. */
  readonly scope: string;
}

const GOOGLE_TOKEN_URL = "https://oauth2.googleapis.com/token";
const GOOGLE_SCOPE = "https://mail.google.com/";
const GRAPH_SCOPE = "https://graph.microsoft.com/.default";
/** Token endpoints of Microsoft's clouds, and the scope of their SMTP. */
const EXCHANGE_SCOPES: ReadonlyMap<string, string> = new Map([
  ["login.microsoftonline.com", "https://outlook.office365.com/.default"],
  ["login.microsoftonline.us", "https://outlook.office365.us/.default"],
  ["login.partner.microsoftonline.cn", "https://partner.outlook.cn/.default"],
]);

/**
 * Returns the token endpoint and the scope of a definition: those that it names, else those of its service account, of
 * its tenant, or of the provider. A refresh token has its scopes from the sign-in.
 */
export function tokenEndpointOf(fields: TokenEndpointFields): TokenEndpoint {
  const url = fields.oauthTokenUrl || defaultUrl(fields);
  return { url, scope: fields.oauthScope.trim() || defaultScope(fields, url) };
}

function defaultUrl({ oauthFlow, oauthServiceAccount, graphTenant }: TokenEndpointFields): string {
  if (oauthFlow === "jwt_bearer")
    return parseServiceAccount(oauthServiceAccount)?.tokenUrl ?? GOOGLE_TOKEN_URL;
  if (graphTenant === null) return "";
  return `https://login.microsoftonline.com/${encodeURIComponent(graphTenant)}/oauth2/v2.0/token`;
}

function defaultScope({ oauthFlow, graphTenant }: TokenEndpointFields, url: string): string {
  switch (oauthFlow) {
    case "refresh_token":
      return "";
    case "jwt_bearer":
      return GOOGLE_SCOPE;
    case "client_credentials":
      if (graphTenant !== null) return GRAPH_SCOPE;
      return EXCHANGE_SCOPES.get(URL.parse(url)?.hostname ?? "") ?? "";
  }
}
