import { DEFINITION_FIELDS } from "../../domain/definition-fields.ts";
import type { FailureCode } from "../../domain/delivery.ts";
import { endpointOf } from "../../domain/endpoint.ts";
import { type Notice, notice } from "../../domain/notices.ts";
import type { Secret } from "../../domain/secret.ts";
import { parseServiceAccount } from "../../domain/service-account.ts";
import {
  type FieldName,
  type SecretName,
  type ServerDefinition,
  usesTokens,
} from "../../domain/smtp-server.ts";
import { invalidParameter, type SealpostError } from "../../errors.ts";
import { inspectIdentity } from "../../smime/identity.ts";
import { CERTIFICATE_LABEL } from "../../smime/label.ts";
import { readCertificate, writePem } from "../../smime/pem.ts";
import { daysUntil, EXPIRES_SOON_DAYS } from "../../smime/validity.ts";

/** The fields that decide how a definition logs in. */
type LoginFields = Omit<ServerDefinition, SecretName | "certificate">;

/** Reads the secrets of a definition as they will be stored. Empty if not set. */
export type ReadSecret = (name: SecretName) => Promise<Secret>;

const REJECTED: readonly FailureCode[] = ["sign_mismatch", "sign_passphrase"];

/**
 * Checks how a definition logs in, when it is saved or tested.
 * @returns notices about clear text, what is missing to log in, and certificates that expire.
 * @throws {SealpostError} `invalid_parameter`.
 */
export async function checkLogin(
  fields: LoginFields,
  read: ReadSecret,
  now: Date,
): Promise<readonly Notice[]> {
  const { protocol, security } = endpointOf(fields);
  const { auth, username } = fields;
  const isClear = security === "none" && username !== "";
  const notices = [
    ...(isClear ? [notice("clear_text", "tls")] : []),
    ...(await checkPair("tlsPrivateKey", "tlsCertificate", { fields, read, now })),
    ...(await checkPair("oauthPrivateKey", "oauthCertificate", { fields, read, now })),
  ];
  const account = await read("oauthServiceAccount");
  if (!account.isEmpty && parseServiceAccount(account.reveal()) === null) {
    throw invalid("oauthServiceAccount", "expected the JSON key file of a Google service account");
  }
  if (protocol === "ses" && auth === "oauth2") throw invalid("auth", "expected password for ses://");
  if (protocol === "ses" && username === "")
    throw invalid("username", "required for ses://: the access key ID");
  if (!usesTokens(auth, protocol)) return notices;
  if (security === "none") throw invalid("tls", "required for OAuth: an access token needs TLS");
  if (username === "") throw invalid("username", "required for OAuth: the mailbox to send as");
  const missing = await missingFor(fields, read);
  return [...missing.map((name) => incomplete("oauth_incomplete", name)), ...notices];
}

function incomplete(code: "oauth_incomplete" | "tls_incomplete", name: FieldName): Notice {
  const { parameter } = DEFINITION_FIELDS[name];
  return notice(code, parameter, { parameter });
}

/** Returns the fields without which the flow gets no token. */
async function missingFor(fields: LoginFields, read: ReadSecret): Promise<readonly FieldName[]> {
  // The tenant of graph:// has a token endpoint.
  const isGraph = endpointOf(fields).protocol === "graph";
  const isUnset = async (name: SecretName) => (await read(name)).isEmpty;
  const plain = (["oauthTokenUrl", "oauthClientId"] as const).filter(
    (name) => fields[name] === "" && !(isGraph && name === "oauthTokenUrl"),
  );
  switch (fields.oauthFlow) {
    case "jwt_bearer":
      return (await isUnset("oauthServiceAccount")) ? ["oauthServiceAccount"] : [];
    case "refresh_token":
      return (await isUnset("oauthRefreshToken")) ? [...plain, "oauthRefreshToken"] : plain;
    case "client_credentials": {
      if (!(await isUnset("oauthPrivateKey")))
        return fields.oauthCertificate === "" ? [...plain, "oauthCertificate"] : plain;
      return (await isUnset("oauthClientSecret")) ? [...plain, "oauthClientSecret"] : plain;
    }
  }
}

/**
 * Rejects a key that is not that of the first certificate, and texts that are neither. An expired certificate is a notice,
 * because the server decides.
 */
async function checkPair(
  keyName: "tlsPrivateKey" | "oauthPrivateKey",
  certificateName: "tlsCertificate" | "oauthCertificate",
  { fields, read, now }: { readonly fields: LoginFields; readonly read: ReadSecret; readonly now: Date },
): Promise<readonly Notice[]> {
  const certificate = fields[certificateName];
  const privateKey = (await read(keyName)).reveal();
  if (privateKey === "" && certificate === "") return [];
  const { problems } = await inspectIdentity({ privateKey, passphrase: "", certificate, now });
  const problem = problems.find(
    ({ kind, code, parameter }) =>
      (kind === "form" || REJECTED.includes(code)) &&
      (parameter === "certificate" ? certificate !== "" : privateKey !== ""),
  );
  if (problem !== undefined) {
    const name = problem.parameter === "certificate" ? certificateName : keyName;
    const isEncrypted = problem.code === "sign_passphrase";
    throw invalid(name, isEncrypted ? "expected a key without passphrase" : problem.reason);
  }
  if (privateKey === "" || certificate === "") {
    // For OAuth, it depends on the flow what is missing.
    if (certificateName === "oauthCertificate") return [];
    return [incomplete("tls_incomplete", privateKey === "" ? keyName : certificateName)];
  }
  const first = readCertificate(certificate);
  const alone = first ? writePem(CERTIFICATE_LABEL, first) : "";
  const { path } = await inspectIdentity({ privateKey, passphrase: "", certificate: alone, now });
  const [own] = path;
  if (own === undefined) {
    const { parameter } = DEFINITION_FIELDS[keyName];
    throw invalid(certificateName, `expected the certificate of ${parameter} before its chain`);
  }
  return expiryNotices(certificateName, own.notAfter, now);
}

function expiryNotices(name: FieldName, notAfter: Date, now: Date): readonly Notice[] {
  const { parameter } = DEFINITION_FIELDS[name];
  const days = daysUntil(notAfter, now);
  if (days >= EXPIRES_SOON_DAYS) return [];
  if (now <= notAfter) return [notice("expires_soon", parameter, { days })];
  return [notice("expired", parameter, { date: notAfter.toISOString().slice(0, "YYYY-MM-DD".length) })];
}

function invalid(name: FieldName, expected: string): SealpostError {
  return invalidParameter(DEFINITION_FIELDS[name].parameter, expected);
}
