import { DEFINITION_FIELDS } from "../../domain/definition-fields.ts";
import { endpointOf, keepsSecret, parseEndpoint } from "../../domain/endpoint.ts";
import type { SecretName, ServerDefinition } from "../../domain/smtp-server.ts";
import { invalidParameter } from "../../errors.ts";

/** The fields that decide where a definition sends its secrets. */
type SecretTarget = Pick<
  ServerDefinition,
  "server" | "port" | "tls" | "username" | "apiUrl" | "oauthTokenUrl"
>;

/** A signing key is not sent anywhere, and the password does not reach the token endpoint. */
const SIGNING: readonly SecretName[] = ["privateKey", "privateKeyPassword"];
const NOT_FOR_TOKENS: readonly SecretName[] = [...SIGNING, "password", "tlsPrivateKey"];

/**
 * A stored secret is only ever sent where it was saved for. Otherwise anyone who may write definitions could have it sent
 * to a host of theirs.
 * @throws {SealpostError} `invalid_parameter`, which asks for the secret.
 */
export function assertSecretTarget(name: SecretName, stored: SecretTarget, next: SecretTarget): void {
  const changed = SIGNING.includes(name) ? undefined : changedPart(name, stored, next);
  if (changed === undefined) return;
  throw invalidParameter(DEFINITION_FIELDS[name].parameter, `required again, because ${changed} changed`);
}

function changedPart(name: SecretName, stored: SecretTarget, next: SecretTarget): string | undefined {
  const kept = parseEndpoint(stored);
  if (!kept || !keepsSecret(kept, endpointOf(next)) || stored.username !== next.username)
    return "server, port, username or TLS";
  if (stored.apiUrl !== next.apiUrl) return DEFINITION_FIELDS.apiUrl.parameter;
  const isSentForTokens = !NOT_FOR_TOKENS.includes(name);
  if (isSentForTokens && stored.oauthTokenUrl !== next.oauthTokenUrl)
    return DEFINITION_FIELDS.oauthTokenUrl.parameter;
  return undefined;
}
