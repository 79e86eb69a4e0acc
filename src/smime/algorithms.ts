import type { webcrypto } from "node:crypto";
import { type Der, objectIdentifier, sequence, smallInteger, TAG, tlv } from "./der.ts";

/** The kinds of key that can sign mail. */
export type KeyAlgorithm = "rsa" | "p256" | "p384" | "p521" | "ed25519";
/** RSASSA-PSS by the length of its digest. */
export type PssAlgorithm = "pss256" | "pss384" | "pss512";
/** The ways to sign: one for each kind of key, and RSASSA-PSS for RSA. */
export type SignatureAlgorithm = KeyAlgorithm | PssAlgorithm;

/** Parameters of a signature: RFC 5754 (RSA, ECDSA with SHA-2), RFC 4056 (RSASSA-PSS), RFC 8419 (Ed25519). */
interface SigningAlgorithm {
  /** For `crypto.subtle.importKey`. */
  readonly importParams:
    | webcrypto.RsaHashedImportParams
    | webcrypto.EcKeyImportParams
    | { readonly name: "Ed25519" };
  /** For `crypto.subtle.sign` and `verify`. */
  readonly signParams: { readonly name: string } | webcrypto.EcdsaParams | webcrypto.RsaPssParams;
  /** Hash of the message digest attribute. */
  readonly digest: "SHA-256" | "SHA-384" | "SHA-512";
  /** `micalg` of the multipart/signed part (RFC 8551 3.5.3.2). */
  readonly micalg: "sha-256" | "sha-384" | "sha-512";
  /** `AlgorithmIdentifier` of the digest, parameters absent (RFC 5754 2, RFC 8419 2.3). */
  readonly digestAlgorithm: Der;
  /** `AlgorithmIdentifier` of the signature. */
  readonly signatureAlgorithm: Der;
  /** Whether the signature is ECDSA: WebCrypto concatenates r and s, CMS requires a SEQUENCE (RFC 5753 7.2). */
  readonly isEcdsa: boolean;
}

const NULL = tlv(TAG.NULL);
const SHA_256_OID = objectIdentifier("2.16.840.1.101.3.4.2.1");
const SHA_384_OID = objectIdentifier("2.16.840.1.101.3.4.2.2");
const SHA_512_OID = objectIdentifier("2.16.840.1.101.3.4.2.3");
const SHA_256 = sequence(SHA_256_OID);
const SHA_384 = sequence(SHA_384_OID);
const SHA_512 = sequence(SHA_512_OID);
const RSASSA_PSS = objectIdentifier("1.2.840.113549.1.1.10");
const MGF1 = objectIdentifier("1.2.840.113549.1.1.8");

export const SIGNING_ALGORITHMS: Readonly<Record<SignatureAlgorithm, SigningAlgorithm>> = {
  rsa: {
    importParams: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
    signParams: { name: "RSASSA-PKCS1-v1_5" },
    digest: "SHA-256",
    micalg: "sha-256",
    digestAlgorithm: SHA_256,
    signatureAlgorithm: sequence(objectIdentifier("1.2.840.113549.1.1.11"), NULL),
    isEcdsa: false,
  },
  pss256: {
    importParams: { name: "RSA-PSS", hash: "SHA-256" },
    signParams: { name: "RSA-PSS", saltLength: 32 },
    digest: "SHA-256",
    micalg: "sha-256",
    digestAlgorithm: SHA_256,
    signatureAlgorithm: pssAlgorithm(SHA_256_OID, 32),
    isEcdsa: false,
  },
  pss384: {
    importParams: { name: "RSA-PSS", hash: "SHA-384" },
    signParams: { name: "RSA-PSS", saltLength: 48 },
    digest: "SHA-384",
    micalg: "sha-384",
    digestAlgorithm: SHA_384,
    signatureAlgorithm: pssAlgorithm(SHA_384_OID, 48),
    isEcdsa: false,
  },
  pss512: {
    importParams: { name: "RSA-PSS", hash: "SHA-512" },
    signParams: { name: "RSA-PSS", saltLength: 64 },
    digest: "SHA-512",
    micalg: "sha-512",
    digestAlgorithm: SHA_512,
    signatureAlgorithm: pssAlgorithm(SHA_512_OID, 64),
    isEcdsa: false,
  },
  p256: {
    importParams: { name: "ECDSA", namedCurve: "P-256" },
    signParams: { name: "ECDSA", hash: "SHA-256" },
    digest: "SHA-256",
    micalg: "sha-256",
    digestAlgorithm: SHA_256,
    signatureAlgorithm: sequence(objectIdentifier("1.2.840.10045.4.3.2")),
    isEcdsa: true,
  },
  p384: {
    importParams: { name: "ECDSA", namedCurve: "P-384" },
    signParams: { name: "ECDSA", hash: "SHA-384" },
    digest: "SHA-384",
    micalg: "sha-384",
    digestAlgorithm: SHA_384,
    signatureAlgorithm: sequence(objectIdentifier("1.2.840.10045.4.3.3")),
    isEcdsa: true,
  },
  p521: {
    importParams: { name: "ECDSA", namedCurve: "P-521" },
    signParams: { name: "ECDSA", hash: "SHA-512" },
    digest: "SHA-512",
    micalg: "sha-512",
    digestAlgorithm: SHA_512,
    signatureAlgorithm: sequence(objectIdentifier("1.2.840.10045.4.3.4")),
    isEcdsa: true,
  },
  ed25519: {
    importParams: { name: "Ed25519" },
    signParams: { name: "Ed25519" },
    digest: "SHA-512",
    micalg: "sha-512",
    digestAlgorithm: SHA_512,
    signatureAlgorithm: sequence(objectIdentifier("1.3.101.112")),
    isEcdsa: false,
  },
};

/**
 * Encodes the `AlgorithmIdentifier` of RSASSA-PSS with MGF1 over the same hash (RFC 4055 3.1).
 * @param saltOctets as many as the digest has (RFC 4056 3).
 */
function pssAlgorithm(hash: Der, saltOctets: number): Der {
  // RFC 4055 2.1 has NULL here, where RFC 5754 leaves the parameters out.
  const hashAlgorithm = sequence(hash, NULL);
  const parameters = sequence(
    tlv(TAG.CONTEXT_0, hashAlgorithm),
    tlv(TAG.CONTEXT_1, sequence(MGF1, hashAlgorithm)),
    tlv(TAG.CONTEXT_2, smallInteger(saltOctets)),
  );
  return sequence(RSASSA_PSS, parameters);
}
