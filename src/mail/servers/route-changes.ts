import { DEFINITION_FIELDS } from "../../domain/definition-fields.ts";
import { endpointOf, keepsSecret, parseEndpoint } from "../../domain/endpoint.ts";
import { isAccountOfPassword } from "../../domain/providers/preset.ts";
import type { FieldName } from "../../domain/smtp-server.ts";
import type { SmtpServerRow } from "../../storage/smtp-servers.ts";

const ENDPOINT = ["server", "port", "tls"] as const satisfies readonly FieldName[];
/** The account that keeps what it sent, and the URLs that lead there. */
const ACCOUNT = [
  "username",
  "provider",
  "apiUrl",
  "oauthTokenUrl",
  "oauthAuthorizationUrl",
  "oauthDeviceUrl",
] as const satisfies readonly FieldName[];

/**
 * Returns the parameters by which a change of a definition sends mail elsewhere, or lets others read it on its way.
 * Empty if mail goes where it went, with TLS that is no weaker.
 */
export function routeChanges(
  stored: SmtpServerRow,
  next: SmtpServerRow,
  isPasswordChanged: boolean,
): readonly string[] {
  const kept = parseEndpoint(stored);
  const endpoint = endpointOf(next);
  const isElsewhere = kept === null || !keepsSecret(kept, endpoint);
  const fields: readonly FieldName[] = [...(isElsewhere ? ENDPOINT : []), ...ACCOUNT];
  const changed = fields.filter((name) => stored[name] !== next[name]);
  const isOtherAccount = isPasswordChanged && isAccountOfPassword(next.username);
  return [...changed, ...(isOtherAccount ? (["password"] as const) : [])].map(
    (name) => DEFINITION_FIELDS[name].parameter,
  );
}
