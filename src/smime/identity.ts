import { parseAddress } from "../domain/mailbox.ts";
import { type Notice, notice } from "../domain/notices.ts";
import { type KeyAlgorithm, SIGNING_ALGORITHMS, type SignatureAlgorithm } from "./algorithms.ts";
import type { Certificate } from "./certificate.ts";
import { isRsaPair } from "./check-key.ts";
import type { Der } from "./der.ts";
import {
  hasExplicitCurve,
  importSigningKey,
  type PrivateKey,
  readAlgorithm,
  readPrivateKey,
} from "./keys.ts";
import type { CertificatePath } from "./path.ts";
import { certificateContent, IdentityError, type IdentityProblem } from "./problem.ts";
import { requiredPss } from "./rsa-pss.ts";
import { dateProblem, daysUntil, EXPIRES_SOON_DAYS, earliestEnd } from "./validity.ts";

/** A key and a certificate that can sign from `notBefore` to `notAfter`. */
export interface SigningIdentity {
  readonly algorithm: SignatureAlgorithm;
  readonly key: CryptoKey;
  /** The certificates to send: the signer first, then its issuers, without the root (RFC 8551 2.5). */
  readonly chain: readonly Certificate[];
  readonly addresses: readonly string[];
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** The time until which another choice of certificates cannot be better because one has expired. */
  readonly chosenUntil: Date;
}

/** The result of reading a key and its certificates. */
export interface Inspection {
  readonly problems: readonly IdentityProblem[];
  /** Warnings for the admin, with or without problems. */
  readonly warnings: readonly Notice[];
  /** `null` if there is any problem. */
  readonly identity: SigningIdentity | null;
  /** The decrypted key, to be stored for sending. `null` if it cannot be read. */
  readonly pkcs8: Der | null;
  /**
   * The certificate that belongs to the key, then its issuers, the root included if it was given. Empty if no certificate
   * belongs to the key.
   */
  readonly path: readonly Certificate[];
}

const EXPLICIT_CURVE =
  "The certificate has explicit curve parameters: request one for a key with a named curve, such as P-256";
/** digitalSignature or nonRepudiation, the first bits of keyUsage (RFC 8550 4.4.2). */
const SIGNING_BITS = 0x80 | 0x40;
/** emailProtection and anyExtendedKeyUsage (RFC 8550 4.4.4). */
export const MAIL_PURPOSES: readonly string[] = ["1.3.6.1.5.5.7.3.4", "2.5.29.37.0"];

/** Reads a key and its certificates as an admin saves them. Every problem is in `problems`. */
export async function inspectIdentity(input: {
  /** PEM text. */
  readonly privateKey: string;
  /** Empty if the key is not encrypted. */
  readonly passphrase: string;
  /** PEM text, chain included, in any order. */
  readonly certificate: string;
  readonly now: Date;
  /** Whether an RSA key signs by RSASSA-PSS. Default: only if key or certificate requires it. */
  readonly pss?: boolean;
}): Promise<Inspection> {
  const key = await check(readPrivateKey(input.privateKey, input.passphrase));
  const inspection = await inspect(key, input);
  const isUnused = input.passphrase !== "" && "value" in key && !key.value.isEncrypted;
  const warnings = isUnused ? [notice("passphrase_unused", "private_key_password")] : [];
  return { ...inspection, warnings: [...inspection.warnings, ...warnings] };
}

/** Loads an identity whose key is decrypted already, for sending. Every problem is in `problems`. */
export async function loadIdentity(input: {
  /** The `pkcs8` that {@link inspectIdentity} returned. */
  readonly pkcs8: Der;
  readonly certificate: string;
  readonly now: Date;
  /** As in {@link inspectIdentity}. */
  readonly pss?: boolean;
}): Promise<Inspection> {
  const { pkcs8 } = input;
  const key = await check((async () => ({ pkcs8, algorithm: readAlgorithm(pkcs8) }))());
  return inspect(key, input);
}

/** Returns when the first certificate of a PEM text expires. @throws {IdentityError} */
export async function expiryOf(pem: string): Promise<Date | null> {
  const [first] = await readCertificates(pem);
  return first?.notAfter ?? null;
}

type Checked<T> = { readonly value: T } | { readonly problem: IdentityProblem };

/** Turns an {@link IdentityError} into its problem. */
async function check<T>(promise: Promise<T>): Promise<Checked<T>> {
  try {
    return { value: await promise };
  } catch (error) {
    if (error instanceof IdentityError) return { problem: error.problem };
    throw error;
  }
}

interface MatchOptions {
  readonly now: Date;
  readonly pss?: boolean;
}

async function inspect(
  key: Checked<PrivateKey>,
  { certificate, ...options }: MatchOptions & { readonly certificate: string },
): Promise<Inspection> {
  const parsed = await check(readCertificates(certificate));
  const pkcs8 = "value" in key ? key.value.pkcs8 : null;
  if (!("value" in key) || !("value" in parsed)) {
    const problems = [key, parsed].flatMap((result) => ("problem" in result ? [result.problem] : []));
    return { problems, warnings: [], identity: null, pkcs8, path: [] };
  }
  return { ...(await match(key.value, parsed.value, options)), pkcs8 };
}

/** Loads pkijs on demand: it is large, and many instances never sign. */
async function readCertificates(pem: string): Promise<readonly Certificate[]> {
  const { parseCertificates } = await import("./certificate.ts");
  return parseCertificates(pem);
}

async function match(
  privateKey: PrivateKey,
  given: readonly Certificate[],
  { now, pss = false }: MatchOptions,
): Promise<Omit<Inspection, "pkcs8">> {
  const { algorithm } = privateKey;
  const key = await importSigningKey(privateKey);
  const { choosePath, linkCertificates } = await import("./path.ts");
  const graph = await linkCertificates(given);
  const candidates = await matching(privateKey, key, graph.given);
  const [best] = candidates
    .map((certificate) => ({
      certificate,
      path: choosePath(certificate, graph, now),
      problems: problemsOf(certificate, graph.roots.has(certificate), now),
    }))
    .toSorted(
      (left, right) =>
        left.problems.length - right.problems.length ||
        left.path.notices.length - right.path.notices.length ||
        right.certificate.notAfter.getTime() - left.certificate.notAfter.getTime(),
    );
  if (best === undefined) {
    return { problems: [mismatch(given)], warnings: [], identity: null, path: [] };
  }
  const { certificate, path, problems } = best;
  const { certificates } = path;
  const warnings = warningsOf(algorithm, certificate, now);
  if (problems.length > 0) return { problems, warnings, identity: null, path: certificates };
  const signing = await check(signingKey(privateKey, certificate, pss));
  if ("problem" in signing) {
    return { problems: [signing.problem], warnings, identity: null, path: certificates };
  }
  const { addresses, notBefore, notAfter } = certificate;
  const chain = path.hasRoot && certificates.length > 1 ? certificates.slice(0, -1) : certificates;
  const chosenUntil = earliestEnd(certificates.filter((one) => one.notAfter >= now));
  return {
    problems,
    warnings: [...warnings, ...selfSignedNotices(path), ...path.notices],
    identity: { ...signing.value, chain, addresses, notBefore, notAfter, chosenUntil },
    path: certificates,
  };
}

/** Imports the key for the signature that key and certificate allow, or else that the definition asks for. */
async function signingKey(
  { pkcs8, algorithm }: PrivateKey,
  { publicKey }: Certificate,
  pss: boolean,
): Promise<Pick<SigningIdentity, "algorithm" | "key">> {
  const ofRsa = () => requiredPss(pkcs8) ?? requiredPss(publicKey) ?? (pss ? "pss256" : algorithm);
  const signature = algorithm === "rsa" ? ofRsa() : algorithm;
  return { algorithm: signature, key: await importSigningKey({ pkcs8, algorithm: signature }) };
}

function problemsOf(certificate: Certificate, isSelfSigned: boolean, now: Date): readonly IdentityProblem[] {
  return [usageProblem(certificate, isSelfSigned), dateProblem(certificate, now)].filter(
    (problem) => problem !== null,
  );
}

function mismatch(given: readonly Certificate[]): IdentityProblem {
  if (given.some((one) => !one.basicConstraints?.isAuthority && hasExplicitCurve(one.publicKey))) {
    return certificateContent("sign_mismatch", EXPLICIT_CURVE);
  }
  const { length } = given;
  const subject =
    length === 1 ? "The certificate does not belong" : `None of the ${length} certificates belongs`;
  return certificateContent(
    "sign_mismatch",
    `${subject} to the private key: use the one issued for this key`,
  );
}

function warningsOf(algorithm: KeyAlgorithm, certificate: Certificate, now: Date): readonly Notice[] {
  const days = daysUntil(certificate.notAfter, now);
  const expiresSoon = days >= 0 && days < EXPIRES_SOON_DAYS;
  return [
    ...(expiresSoon ? [notice("expires_soon", "certificate", { days })] : []),
    ...(algorithm === "ed25519" ? [notice("rarely_verified", "private_key")] : []),
  ];
}

function selfSignedNotices({
  certificates: [signer, ...others],
  hasRoot,
}: CertificatePath): readonly Notice[] {
  if (!hasRoot || others.length > 0) return [];
  return [notice(signer?.basicConstraints?.isAuthority ? "self_signed" : "self_signed_end", "certificate")];
}

/** Returns the certificates of the public key: those that verify a signature by the private key, or have its modulus. */
async function matching(
  { pkcs8, algorithm }: PrivateKey,
  key: CryptoKey,
  given: readonly Certificate[],
): Promise<readonly Certificate[]> {
  if (algorithm === "rsa") return given.filter(({ publicKey }) => isRsaPair(pkcs8, publicKey));
  const { importParams, signParams } = SIGNING_ALGORITHMS[algorithm];
  const probe = new TextEncoder().encode("Does this certificate belong to this key?");
  const signature = await crypto.subtle.sign(signParams, key, probe);
  const verified = await Promise.all(
    given.map(async ({ publicKey }) => {
      try {
        const imported = await crypto.subtle.importKey("spki", publicKey, importParams, false, ["verify"]);
        return await crypto.subtle.verify(signParams, imported, signature, probe);
      } catch {
        // A key of another kind: some runtimes throw at import, others at verification.
        return false;
      }
    }),
  );
  return given.filter((_, index) => verified[index]);
}

/**
 * Returns why the certificate must not sign mail, whatever the date. `null` if it may. A certificate that signs itself
 * may be an authority: strict verifiers want it so.
 */
function usageProblem(certificate: Certificate, isSelfSigned: boolean): IdentityProblem | null {
  const { basicConstraints, keyUsage, extendedKeyUsage } = certificate;
  if (basicConstraints?.isAuthority && !isSelfSigned) {
    return usage("The certificate belongs to an authority (CA): use the one issued to the sender");
  }
  if (keyUsage !== null && (keyUsage & SIGNING_BITS) === 0) {
    return usage("The certificate does not allow signatures (key usage): use one with digitalSignature");
  }
  if (extendedKeyUsage !== null && !extendedKeyUsage.some((purpose) => MAIL_PURPOSES.includes(purpose))) {
    return usage("The certificate does not allow email (extended key usage): use one with emailProtection");
  }
  return null;
}

/** Returns the problem if the certificate does not name the sender address. `null` if it does. */
export function senderProblem(
  { addresses }: Pick<Certificate, "addresses">,
  address: string,
): IdentityProblem | null {
  const wanted = comparable(address);
  if (addresses.some((candidate) => comparable(candidate) === wanted)) return null;
  const names = addresses.length === 0 ? "no address" : addresses.join(", ");
  return certificateContent(
    "sign_sender",
    `The certificate does not name the sender ${address}, but ${names}: change sender or the certificate`,
  );
}

function usage(reason: string): IdentityProblem {
  return certificateContent("sign_usage", reason);
}

/** Mailboxes compare without regard to case, domains as A-labels. */
function comparable(address: string): string {
  return (parseAddress(address) ?? address).toLowerCase();
}
