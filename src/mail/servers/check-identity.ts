import { senderOf } from "../../domain/mailbox.ts";
import { type Notice, notice } from "../../domain/notices.ts";
import type { Secret } from "../../domain/secret.ts";
import type { KeyAddresses, ServerDefinition, SigningSource } from "../../domain/smtp-server.ts";
import { invalidParameter } from "../../errors.ts";
import {
  type Inspection,
  inspectIdentity,
  loadIdentity,
  type SigningIdentity,
  senderProblem,
} from "../../smime/identity.ts";
import { certificateContent, type IdentityProblem } from "../../smime/problem.ts";

/** Key and passphrase as they will be stored. */
export interface IdentityFields {
  readonly privateKey: Secret;
  readonly privateKeyPassword: Secret;
  /** Whether key, passphrase, certificate or `smime` itself differs from what is stored. */
  readonly isChanged: boolean;
}

type SenderFields = Pick<ServerDefinition, "sender" | "username">;
type CheckedFields = Pick<ServerDefinition, "smime" | "certificate"> & SenderFields;

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
): Promise<Inspection | null> {
  const inspection = await inspectForm(fields, key, now);
  const [problem] = inspection?.problems ?? [];
  if (problem && fields.smime && key.isChanged) throw invalidParameter(problem.parameter, problem.reason);
  return inspection;
}

/** Returns what an admin should know about key and certificate of a definition. */
export function identityNotices(
  { problems, warnings, identity }: Inspection,
  fields: SenderFields,
): readonly Notice[] {
  const sender = senderOf(fields);
  const stranger = identity && sender && senderProblem(identity, sender.address);
  const ofProblem = ({ code, parameter, reason }: IdentityProblem) => notice(code, parameter, { reason });
  return [...problems.map(ofProblem), ...warnings, ...(stranger ? [ofProblem(stranger)] : [])];
}

/** Returns the addresses that the certificate of the key names. */
export function namesOf({ path: [certificate] }: Pick<Inspection, "path">): readonly string[] {
  return certificate?.addresses ?? [];
}

/**
 * A stored key signs only for the sender that it was given with, or for one that the certificate named then.
 * @param parameter the secret that is kept or borrowed
 * @throws {SealpostError} `invalid_parameter`, which asks for it.
 */
export function assertKeySender(
  parameter: "private_key" | "private_key_password",
  given: KeyAddresses,
  next: SenderFields,
): void {
  const sender = senderOf(next);
  if (sender === null || isGivenFor(given, sender.address)) return;
  throw invalidParameter(
    parameter,
    "required again, because the sender changed and the certificate given with it does not name it",
  );
}

/** Returns the problem if a signature must not be for an address, which is not the sender that the key was given with. */
export function addressProblem(
  identity: SigningIdentity,
  given: KeyAddresses | null,
  address: string,
): IdentityProblem | null {
  const problem = senderProblem(identity, address);
  if (problem || given === null || isGivenFor(given, address)) return problem;
  return certificateContent(
    "sign_sender",
    `The key was not given for ${address}: send it with its certificate`,
  );
}

function isGivenFor({ sender, named }: KeyAddresses, address: string): boolean {
  return sender === address || named === null || senderProblem({ addresses: named }, address) === null;
}

/** Inspects the identity of a definition: by the key that was decrypted when it was saved, if there is one. */
export async function inspectSource(source: SigningSource, now: Date): Promise<Inspection> {
  const { certificate, pss } = source;
  const pkcs8 = await source.decryptedKey();
  if (pkcs8) return loadIdentity({ pkcs8, certificate, pss, now });
  const { pem, passphrase } = await source.originalKey();
  const key = { privateKey: pem.reveal(), passphrase: passphrase.reveal() };
  return inspectIdentity({ ...key, certificate, pss, now });
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
