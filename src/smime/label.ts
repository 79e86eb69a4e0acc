import { type BaseBlock, BitString, Integer, ObjectIdentifier, OctetString } from "asn1js";
import { children, type Der, oidOf, readDer } from "./der.ts";

/** The first bytes of Java's keystores, which are not DER. */
const KEYSTORES = ["feedfeed", "cececece"];
export const KEYSTORE_LABEL = "JAVA KEYSTORE";

export const CERTIFICATE_LABEL = "CERTIFICATE";
export const CERTIFICATE_LABELS: readonly string[] = [CERTIFICATE_LABEL, "X509 CERTIFICATE"];
export const PKCS7_LABELS: readonly string[] = ["PKCS7", "PKCS #7 SIGNED DATA", "CMS"];

/** The beginning of a PKCS#12 file, also of one that is cut off: a SEQUENCE with the version 3, then a SEQUENCE. */
const PKCS12_START = /^30(?:80|[0-7].|81..|82.{4}|83.{6})02010330/;
const PKCS7_ARC = "1.2.840.113549.1.7.";
/** Members of `RSAPrivateKey` with the version (RFC 8017 A.1.2), `RSAPublicKey`, and the key of OpenSSL's DSA. */
const INTEGER_COUNTS: Readonly<Record<number, string>> = {
  2: "RSA PUBLIC KEY",
  6: "DSA PRIVATE KEY",
  9: "RSA PRIVATE KEY",
};

/** Returns the PEM label (RFC 7468) of a DER value, by its structure. `null` if it is none that belongs to S/MIME. */
export function labelOf(der: Der): string | null {
  if (KEYSTORES.includes(der.subarray(0, 4).toHex())) return KEYSTORE_LABEL;
  if (PKCS12_START.test(der.subarray(0, 12).toHex())) return "PKCS12";
  try {
    return labelOfMembers(children(readDer(der)));
  } catch {
    return null;
  }
}

function labelOfMembers(members: readonly BaseBlock[]): string | null {
  const [first, second, third] = members;
  if (first instanceof ObjectIdentifier) return oidOf(first).startsWith(PKCS7_ARC) ? "PKCS7" : null;
  if (first instanceof Integer) {
    if (second instanceof OctetString) return "EC PRIVATE KEY";
    if (second instanceof Integer) return labelOfIntegers(members);
    const isInfo = second !== undefined && firstOid(second) !== undefined;
    return isInfo && third instanceof OctetString ? "PRIVATE KEY" : null;
  }
  if (first === undefined) return null;
  if (second instanceof OctetString) return firstOid(first) === undefined ? null : "ENCRYPTED PRIVATE KEY";
  if (second instanceof BitString) return firstOid(first) === undefined ? null : "PUBLIC KEY";
  return third instanceof BitString ? labelOfSigned(children(first)) : null;
}

function labelOfIntegers(members: readonly BaseBlock[]): string | null {
  const integers = members.filter((member) => member instanceof Integer).length;
  return INTEGER_COUNTS[integers] ?? null;
}

/** @param members of `TBSCertificate`, `CertificationRequestInfo` (RFC 2986 4.1) or `TBSCertList` (RFC 5280 5.1). */
function labelOfSigned(members: readonly BaseBlock[]): string {
  if (members.length >= 6 && !members.some(isTime)) return "CERTIFICATE";
  return members.some(isTime) ? "X509 CRL" : "CERTIFICATE REQUEST";
}

function isTime({ idBlock }: BaseBlock): boolean {
  return idBlock.tagClass === 1 && (idBlock.tagNumber === 23 || idBlock.tagNumber === 24);
}

function firstOid(node: BaseBlock): string | undefined {
  const [first] = node.idBlock.isConstructed ? children(node) : [];
  return first instanceof ObjectIdentifier ? oidOf(first) : undefined;
}
