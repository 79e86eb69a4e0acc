import type { Secret } from "../domain/secret.ts";
import type { SmtpServerFields } from "../domain/smtp-server.ts";
import { invalidParameter } from "../errors.ts";
import { senderProblem } from "../smime/certificate.ts";
import { inspectIdentity } from "../smime/identity.ts";
import { senderOf } from "./sender.ts";

/** Key and passphrase as they will be stored, and whether anything about signing is new. */
export interface IdentityFields {
  readonly privateKey: Secret;
  readonly privateKeyPassword: Secret;
  /** Key, certificate, passphrase or `smime` itself differs from what is stored. */
  readonly touched: boolean;
}

export interface IdentityVerdict {
  /** PKCS#8 DER, opened now so that sending need not; null if there is no key or it does not open. */
  readonly signingKey: Uint8Array | null;
  readonly warnings: readonly string[];
}

type CheckedFields = Pick<SmtpServerFields, "smime" | "certificate" | "sender" | "username">;

/**
 * Judges key and certificate when a definition is saved. What is not PEM is always refused; what is well formed but
 * cannot sign is refused when signing is on and something about it is new, and a warning otherwise: nobody is kept
 * from changing a password because a certificate expired.
 * @throws {SealpostError} `invalid_parameter`.
 */
export async function inspectOnSave(
  fields: CheckedFields,
  { privateKey, privateKeyPassword, touched }: IdentityFields,
  now: Date,
): Promise<IdentityVerdict> {
  const { certificate, smime } = fields;
  if (smime && privateKey.isEmpty) throw invalidParameter("private_key", "needed when smime is true");
  if (smime && certificate === "") throw invalidParameter("certificate", "needed when smime is true");
  if (privateKey.isEmpty && certificate === "") return { signingKey: null, warnings: [] };

  const passphrase = privateKeyPassword.reveal();
  const inspection = await inspectIdentity({ privateKey: privateKey.reveal(), passphrase, certificate, now });
  const absent = privateKey.isEmpty ? "private_key" : certificate === "" ? "certificate" : null;
  const problems = inspection.problems.filter((problem) => problem.parameter !== absent);
  for (const { kind, parameter, reason } of problems) {
    if (kind === "form" || (smime && touched)) throw invalidParameter(parameter, reason);
  }
  const sender = senderOf(fields);
  const stranger = inspection.identity && sender && senderProblem(inspection.identity, sender.address);
  const remarks = [...problems, ...inspection.warnings, ...(stranger ? [stranger] : [])];
  return { signingKey: inspection.pkcs8, warnings: remarks.map((remark) => remark.reason) };
}
