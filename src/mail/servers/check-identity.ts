import { senderOf } from "../../domain/mailbox.ts";
import { type Notice, notice } from "../../domain/notices.ts";
import type { Secret } from "../../domain/secret.ts";
import type { ServerDefinition } from "../../domain/smtp-server.ts";
import { invalidParameter } from "../../errors.ts";
import { senderProblem } from "../../smime/certificate.ts";
import { type Inspection, inspectIdentity } from "../../smime/identity.ts";
import type { IdentityProblem } from "../../smime/problem.ts";

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
  readonly notices: readonly Notice[];
}

type CheckedFields = Pick<ServerDefinition, "smime" | "certificate" | "sender" | "username">;

/**
 * Judges key and certificate when a definition is saved. What is well formed but cannot sign is refused when signing
 * is on and something about it is new, and a warning otherwise: nobody is kept from changing a password because a
 * certificate expired.
 * @throws {SealpostError} `invalid_parameter`; as {@link inspectForm} too.
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
  if (problem && fields.smime && key.touched) throw invalidParameter(problem.parameter, problem.reason);
  const sender = senderOf(fields);
  const stranger = identity && sender && senderProblem(identity, sender.address);
  const ofProblem = ({ code, parameter, reason }: IdentityProblem) => notice(code, parameter, { reason });
  const ofSender = stranger ? [ofProblem(stranger)] : [];
  return { signingKey: pkcs8, notices: [...problems.map(ofProblem), ...warnings, ...ofSender] };
}

/**
 * Inspects key and certificate; what is left of the problems is well formed.
 * @returns null if there is neither.
 * @throws {SealpostError} `invalid_parameter` for what is not PEM, and for what is absent although `smime` is true.
 */
export async function inspectForm(
  { smime, certificate }: Pick<CheckedFields, "smime" | "certificate">,
  { privateKey, privateKeyPassword }: Pick<IdentityFields, "privateKey" | "privateKeyPassword">,
  now: Date,
): Promise<Inspection | null> {
  if (smime && privateKey.isEmpty) throw invalidParameter("private_key", "needed when smime is true");
  if (smime && certificate === "") throw invalidParameter("certificate", "needed when smime is true");
  if (privateKey.isEmpty && certificate === "") return null;

  const passphrase = privateKeyPassword.reveal();
  const inspection = await inspectIdentity({ privateKey: privateKey.reveal(), passphrase, certificate, now });
  const absent = privateKey.isEmpty ? "private_key" : certificate === "" ? "certificate" : null;
  const problems = inspection.problems.filter((problem) => problem.parameter !== absent);
  const malformed = problems.find((problem) => problem.kind === "form");
  if (malformed) throw invalidParameter(malformed.parameter, malformed.reason);
  return { ...inspection, problems };
}
