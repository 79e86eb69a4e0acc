import { BitString, Integer } from "asn1js";
import { mayDecrypt } from "./attributes.ts";
import { type Certificate, parseCertificates } from "./certificate.ts";
import { child, children, type Der, oidOf, readDer } from "./der.ts";
import { OID_EC, prepareRecipient, type Recipient } from "./encrypt.ts";
import { MAIL_PURPOSES, senderProblem } from "./identity.ts";
import { writePem } from "./pem.ts";
import { IdentityError } from "./problem.ts";
import { OID_RSA, OID_RSAES_OAEP } from "./rsa-pss.ts";
import { dateProblem } from "./validity.ts";

/** A certificate that mail can be encrypted to. */
export interface RecipientCertificate extends Pick<Certificate, "notBefore" | "notAfter"> {
  /** The certificate alone. */
  readonly pem: string;
  readonly recipient: Recipient;
}

/** RFC 8551 4.4: shorter keys should not be used. */
const MIN_RSA_BITS = 2048;
/** The longest RSA key that Deno encrypts to. Other platforms have no limit in practice. */
const MAX_COMMON_RSA_BITS = 4096;
const CURVES = "or with P-256, P-384 or P-521";
const KINDS = `use one with RSA of ${MIN_RSA_BITS} bits or more, ${CURVES}`;
const UNSUPPORTED_KEY = `The public key of the certificate is damaged or not supported: ${KINDS}`;

/**
 * Finds the certificate of a recipient in a PEM text, whose other certificates are of no interest. If several name the
 * recipient, the one that expires last is used.
 * @returns a reason that names what to do, if none can be used.
 */
export async function findRecipient(
  pem: string,
  address: string,
  now: Date,
): Promise<{ readonly certificate: RecipientCertificate } | { readonly reason: string }> {
  const certificates = parse(pem);
  if ("reason" in certificates) return certificates;
  const [best] = certificates
    .filter((certificate) => senderProblem(certificate, address) === null)
    .map((certificate) => ({ certificate, problem: problemOf(certificate, now) }))
    .toSorted(
      (left, right) =>
        Number(left.problem !== null) - Number(right.problem !== null) ||
        right.certificate.notAfter.getTime() - left.certificate.notAfter.getTime(),
    );
  if (best === undefined) return { reason: noneNames(certificates, address) };
  if (best.problem !== null) return { reason: best.problem };
  try {
    const { der, notBefore, notAfter } = best.certificate;
    const recipient = await prepareRecipient(best.certificate);
    return { certificate: { pem: writePem("CERTIFICATE", der), notBefore, notAfter, recipient } };
  } catch {
    return { reason: unsupportedKey(best.certificate) };
  }
}

/**
 * Reads a certificate that {@link findRecipient} found.
 * @throws {IdentityError} for another text.
 */
export async function loadRecipient(pem: string): Promise<Recipient> {
  const [certificate] = parseCertificates(pem);
  if (certificate === undefined) throw new TypeError("There is no certificate");
  return prepareRecipient(certificate);
}

function parse(pem: string): readonly Certificate[] | { readonly reason: string } {
  if (pem.includes("PRIVATE KEY-----")) {
    return { reason: "The text holds a private key: send only the certificate" };
  }
  try {
    return parseCertificates(pem);
  } catch (error) {
    if (error instanceof IdentityError) return { reason: error.problem.reason };
    throw error;
  }
}

function noneNames(certificates: readonly Certificate[], address: string): string {
  const names = certificates.flatMap(({ addresses }) => addresses);
  const others = names.length === 0 ? "no address" : names.join(", ");
  return `The certificate does not name ${address}, but ${others}: use the one issued for this address`;
}

/** Returns why mail must not be encrypted to the certificate. `null` if it may. */
function problemOf(certificate: Certificate, now: Date): string | null {
  const { extendedKeyUsage } = certificate;
  const ofKey = keyProblem(certificate);
  if (ofKey !== null) return ofKey;
  if (!mayDecrypt(certificate)) {
    return "The certificate does not allow encryption (key usage): use one with keyEncipherment, or keyAgreement for an EC key";
  }
  if (extendedKeyUsage !== null && !extendedKeyUsage.some((purpose) => MAIL_PURPOSES.includes(purpose))) {
    return "The certificate does not allow email (extended key usage): use one with emailProtection";
  }
  return dateProblem(certificate, now)?.reason ?? null;
}

/** Returns why the public key cannot be used for encryption. `null` if its kind and length are supported. */
function keyProblem(certificate: Certificate): string | null {
  try {
    return kindProblem(certificate);
  } catch {
    return UNSUPPORTED_KEY;
  }
}

function kindProblem({ publicKey }: Certificate): string | null {
  if (oidOf(child(child(readDer(publicKey), 0), 0)) === OID_EC) return null;
  const bits = rsaBits(publicKey);
  if (bits === null) return `The key of the certificate cannot decrypt: ${KINDS}`;
  return bits < MIN_RSA_BITS ? `The key of the certificate is RSA of ${bits} bits: ${KINDS}` : null;
}

/** Returns why a key of a supported kind does not encrypt here. */
function unsupportedKey({ publicKey }: Certificate): string {
  const bits = rsaBits(publicKey) ?? 0;
  return bits > MAX_COMMON_RSA_BITS
    ? `The key of the certificate is RSA of ${bits} bits, damaged or more than this platform supports: use one with RSA of ${MIN_RSA_BITS} to ${MAX_COMMON_RSA_BITS} bits, ${CURVES}`
    : UNSUPPORTED_KEY;
}

/** @returns `null` for a key that is not RSA, or does not decrypt */
function rsaBits(publicKey: Der): number | null {
  const [algorithm, key] = children(readDer(publicKey));
  const oid = algorithm && oidOf(child(algorithm, 0));
  if (oid !== OID_RSA && oid !== OID_RSAES_OAEP) return null;
  const [modulus] = key instanceof BitString ? children(readDer(key.valueBlock.valueHexView)) : [];
  return modulus instanceof Integer ? modulus.toBigInt().toString(2).length : 0;
}
