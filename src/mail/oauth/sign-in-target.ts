import { DEFINITION_FIELDS } from "../../domain/definition-fields.ts";
import { endpointOf } from "../../domain/endpoint.ts";
import { type Notice, notice } from "../../domain/notices.ts";
import { findProvider } from "../../domain/providers/index.ts";
import { Secret } from "../../domain/secret.ts";
import { type SignIn, signInOf } from "../../domain/sign-in.ts";
import { type FieldName, type SecretName, usesTokens } from "../../domain/smtp-server.ts";
import { tokenEndpointOf } from "../../domain/token-endpoint.ts";
import { invalidParameter, type SealpostError } from "../../errors.ts";
import type { TokenClient } from "../../oauth/token-request.ts";
import { hashText } from "../../secrets/digest.ts";
import type { SmtpServerRow } from "../../storage/smtp-servers.ts";
import type { Servers } from "../servers/definitions.ts";

/** A definition for which an admin signs in. */
interface SignInTarget extends SignIn {
  readonly row: SmtpServerRow;
  readonly tokenUrl: string;
}

/** The fields that decide what is asked for, and where the refresh token will lead. */
const DECISIVE = [
  "server",
  "port",
  "tls",
  "username",
  "provider",
  "apiUrl",
  "oauthTokenUrl",
  "oauthAuthorizationUrl",
  "oauthClientId",
  "oauthScope",
] as const satisfies readonly FieldName[];

/**
 * Returns how an admin signs in for a definition.
 * @throws {SealpostError} `invalid_parameter` for a field that the definition lacks.
 */
export function signInTargetOf(row: SmtpServerRow): SignInTarget {
  const preset = findProvider(row.provider)?.oauth ?? null;
  const { protocol, host } = endpointOf(row);
  const isGraph = protocol === "graph";
  const { url: tokenUrl } = tokenEndpointOf({
    oauthFlow: "refresh_token",
    oauthTokenUrl: row.oauthTokenUrl,
    oauthScope: row.oauthScope,
    graphTenant: isGraph ? host : null,
    oauthServiceAccount: "",
  });
  if (tokenUrl === "") throw notSet("oauthTokenUrl");
  if (row.oauthClientId === "") throw notSet("oauthClientId");
  return { ...signInOf({ ...row, tokenUrl, isGraph }, preset), row, tokenUrl };
}

/** Returns an endpoint that is known. @throws {SealpostError} `invalid_parameter` naming the field that sets it. */
export function knownEndpoint(
  { authorizationUrl, deviceUrl }: SignInTarget,
  name: "oauthAuthorizationUrl" | "oauthDeviceUrl",
): string {
  const url = name === "oauthAuthorizationUrl" ? authorizationUrl : deviceUrl;
  if (url !== null) return url;
  throw notSet(name);
}

function notSet(name: FieldName): SealpostError {
  return invalidParameter(
    DEFINITION_FIELDS[name].parameter,
    "the definition has none; save it with one first",
  );
}

/** Returns a notice for a definition that does not log in with a refresh token. */
export function unusedNotices({ server, port, tls, auth, oauthFlow }: SmtpServerRow): readonly Notice[] {
  const { protocol } = endpointOf({ server, port, tls });
  if (usesTokens(auth, protocol) && oauthFlow === "refresh_token") return [];
  return [notice("sign_in_unused", DEFINITION_FIELDS.oauthFlow.parameter)];
}

/** Returns a hash of the fields on which a sign-in depends. Another one means: start again. */
export async function factsOf(row: SmtpServerRow): Promise<string> {
  const facts = JSON.stringify(DECISIVE.map((name) => row[name]));
  return hashText(facts);
}

/** Returns the client of a definition, with its secrets decrypted. */
export async function tokenClientOf(
  servers: Pick<Servers, "openStored">,
  { row, tokenUrl }: SignInTarget,
): Promise<TokenClient> {
  const read = async (name: SecretName) => (row[name] ? servers.openStored(row, name) : Secret.EMPTY);
  return {
    tokenUrl,
    clientId: row.oauthClientId,
    clientSecret: await read("oauthClientSecret"),
    privateKey: await read("oauthPrivateKey"),
    certificate: row.oauthCertificate,
  };
}
