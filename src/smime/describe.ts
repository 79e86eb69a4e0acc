import type { BaseBlock } from "asn1js";
import type { Certificate } from "./certificate.ts";
import { bitsOf, child, children, type Der, oidOf, rawOf, readDer } from "./der.ts";
import { contentsOf, KEY_KINDS } from "./issuance.ts";
import { nameText } from "./names.ts";

/** A certificate as people identify it. */
export interface CertificateSummary {
  /** Names as `CN=Ann, O=Example`. */
  readonly subject: string;
  readonly issuer: string;
  /** In hexadecimal digits, as openssl prints it. */
  readonly serial: string;
  /** The SHA-256 fingerprint, as openssl prints it. */
  readonly sha256: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

const CURVE_NAMES: Readonly<Record<string, string>> = {
  "1.2.840.10045.3.1.7": "P-256",
  "1.3.132.0.34": "P-384",
  "1.3.132.0.35": "P-521",
};

export async function describeCertificate(certificate: Certificate): Promise<CertificateSummary> {
  const { der, subject, issuer, serialNumber, notBefore, notAfter } = certificate;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", der));
  return {
    subject: nameText(subject),
    issuer: nameText(issuer),
    serial: withoutZeros(contentsOf(serialNumber)).toHex().toUpperCase(),
    sha256: Array.from(digest, (octet) => octet.toString(16).padStart(2, "0").toUpperCase()).join(":"),
    notBefore,
    notAfter,
  };
}

/** Returns the kind and size of a public key, such as `RSA 2048`, `P-256` or `Ed25519`. */
export function describeKey(publicKey: Der): string {
  const info = readDer(publicKey);
  const [type, parameters] = children(child(info, 0));
  const oid = type === undefined ? "" : oidOf(type);
  switch (KEY_KINDS[oid]) {
    case "rsa":
      return `RSA ${bitLength(child(readDer(bitsOf(child(info, 1))), 0))}`;
    case "ecdsa":
      return parameters === undefined ? "EC" : (CURVE_NAMES[oidOf(parameters)] ?? `EC ${oidOf(parameters)}`);
    case "ed25519":
      return "Ed25519";
    default:
      return oid;
  }
}

function bitLength(integer: BaseBlock): number {
  const digits = withoutZeros(contentsOf(rawOf(integer)));
  return digits.length * 8 - Math.clz32(digits[0] ?? 0) + 24;
}

function withoutZeros(digits: Uint8Array): Uint8Array {
  const first = digits.findIndex((octet) => octet !== 0);
  return first < 0 ? digits.subarray(0, 1) : digits.subarray(first);
}
