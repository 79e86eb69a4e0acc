import { senderOf } from "../../domain/mailbox.ts";
import { type Notice, notice } from "../../domain/notices.ts";
import type { Secret } from "../../domain/secret.ts";
import type { ServerDefinition } from "../../domain/smtp-server.ts";
import { invalidParameter } from "../../errors.ts";
import { type Inspection, inspectIdentity, senderProblem } from "../../smime/identity.ts";
import type { IdentityProblem } from "../../smime/problem.ts";

/** Key and passphrase as they will be stored. */
export interface IdentityFields {
  readonly privateKey: Secret;
  readonly privateKeyPassword: Secret;
  /** Whether key, passphrase, certificate or `smime` itself differs from what is stored. */
  readonly isChanged: boolean;
}

interface IdentityVerdict {
  /** PKCS#8 DER, decrypted now so that sending need not do it; `null` if there is no key or it cannot be decrypted. */
  readonly signingKey: Uint8Array | null;
  readonly notices: readonly Notice[];
}

type CheckedFields = Pick<ServerDefinition, "smime" | "certificate" | "sender" | "username">;

/**
 * Checks key and certificate when a definition is saved. A well-formed pair that cannot sign is rejected if signing is on
 * and something about it changes. Otherwise it is a notice, so that an expired certificate does not prevent a change of
 * the password.
 * @throws {SealpostError} `invalid_parameter`, also as {@link inspectForm} does.
 */
export async function inspectOnSave(
  fields: CheckedFields,
  key: IdentityFields,
  now: Date,
): Promise<IdentityVerdict> {
  const inspection = await inspectForm(fields, key, now);
  if (inspection === null) return { signingKey: null, notices: [] };
  const { problems, warnings, identity, pkcs8 } = inspection;
  const [problem] = problems;
  if (problem && fields.smime && key.isChanged) throw invalidParameter(problem.parameter, problem.reason);
  const sender = senderOf(fields);
  const stranger = identity && sender && senderProblem(identity, sender.address);
  const ofProblem = ({ code, parameter, reason }: IdentityProblem) => notice(code, parameter, { reason });
  const ofSender = stranger ? [ofProblem(stranger)] : [];
  return { signingKey: pkcs8, notices: [...problems.map(ofProblem), ...warnings, ...ofSender] };
}

/**
 * Inspects key and certificate. The problems that it returns are those of well-formed values.
 * @returns `null` if there is neither key nor certificate.
 * @throws {SealpostError} `invalid_parameter` for a value that is not PEM, and for an absent one if `smime` is true.
 */
export async function inspectForm(
  { smime, certificate }: Pick<CheckedFields, "smime" | "certificate">,
  { privateKey, privateKeyPassword }: Pick<IdentityFields, "privateKey" | "privateKeyPassword">,
  now: Date,
): Promise<Inspection | null> {
  if (smime && privateKey.isEmpty) throw invalidParameter("private_key", "required if smime is true");
  if (smime && certificate === "") throw invalidParameter("certificate", "required if smime is true");
  if (privateKey.isEmpty && certificate === "") return null;

  const passphrase = privateKeyPassword.reveal();
  const inspection = await inspectIdentity({ privateKey: privateKey.reveal(), passphrase, certificate, now });
  const absent = privateKey.isEmpty ? "private_key" : certificate === "" ? "certificate" : null;
  const problems = inspection.problems.filter((problem) => problem.parameter !== absent);
  const malformed = problems.find((problem) => problem.kind === "form");
  if (malformed) throw invalidParameter(malformed.parameter, malformed.reason);
  return { ...inspection, problems };
}
