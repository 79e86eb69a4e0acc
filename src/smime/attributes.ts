import type { Certificate } from "./certificate.ts";
import { child, type Der, objectIdentifier, oidOf, readDer, sequence, TAG, tlv } from "./der.ts";
import { OID_RSA, OID_RSAES_OAEP } from "./rsa-pss.ts";

export const ID_DATA = objectIdentifier("1.2.840.113549.1.7.1");
const ID_SIGNING_CERTIFICATE_V2 = objectIdentifier("1.2.840.113549.1.9.16.2.47");
const ID_ENCRYPTION_KEY_PREFERENCE = objectIdentifier("1.2.840.113549.1.9.16.2.11");

/** RFC 8551 2.5.2, in order of preference: AES-256-CBC and AES-128-CBC, which every receiver decrypts, then AES-256-GCM. */
const CAPABILITIES = [
  "2.16.840.1.101.3.4.1.42",
  "2.16.840.1.101.3.4.1.2",
  "2.16.840.1.101.3.4.1.46",
] as const;
const CONTENT_TYPE = attribute(objectIdentifier("1.2.840.113549.1.9.3"), ID_DATA);
const SMIME_CAPABILITIES = attribute(
  objectIdentifier("1.2.840.113549.1.9.15"),
  sequence(...CAPABILITIES.map((capability) => sequence(objectIdentifier(capability)))),
);

/** The bit of keyUsage that allows a kind of key to receive encrypted mail: keyEncipherment and keyAgreement. */
const ENCRYPTION_BITS: Readonly<Record<string, number>> = {
  [OID_RSA]: 0x20,
  [OID_RSAES_OAEP]: 0x20,
  "1.2.840.10045.2.1": 0x08,
};

/** Returns the signed attributes that all signatures by a certificate share. */
export async function signerAttributes(certificate: Certificate): Promise<readonly Der[]> {
  const preference = mayDecrypt(certificate) ? [encryptionKeyPreference(certificate)] : [];
  return [CONTENT_TYPE, SMIME_CAPABILITIES, await signingCertificate(certificate), ...preference];
}

/** Encodes an attribute with one value (RFC 5652 5.3). */
export function attribute(type: Der, value: Der): Der {
  return sequence(type, tlv(TAG.SET, value));
}

/** Whether mail may be encrypted to the certificate, as far as its key and key usage are concerned (RFC 8551 2.5.3). */
export function mayDecrypt({ publicKey, keyUsage }: Pick<Certificate, "publicKey" | "keyUsage">): boolean {
  const bit = ENCRYPTION_BITS[oidOf(child(child(readDer(publicKey), 0), 0))];
  return bit !== undefined && (keyUsage === null || (keyUsage & bit) !== 0);
}

/** Binds the signature to its certificate (RFC 5035 3). SHA-256 is the default, which DER leaves out. */
async function signingCertificate({ der, issuer, serialNumber }: Certificate): Promise<Der> {
  const hash = tlv(TAG.OCTET_STRING, new Uint8Array(await crypto.subtle.digest("SHA-256", der)));
  const directoryName = tlv(TAG.CONTEXT_4, issuer);
  const identifier = sequence(hash, sequence(sequence(directoryName), serialNumber));
  return attribute(ID_SIGNING_CERTIFICATE_V2, sequence(sequence(identifier)));
}

/** RFC 8551 2.5.3: `issuerAndSerialNumber`, an implicit `[0]`. */
function encryptionKeyPreference({ issuer, serialNumber }: Certificate): Der {
  return attribute(ID_ENCRYPTION_KEY_PREFERENCE, tlv(TAG.CONTEXT_0, issuer, serialNumber));
}
