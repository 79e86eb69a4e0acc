import type { webcrypto } from "node:crypto";
import { type Der, objectIdentifier, sequence, TAG, tlv } from "./der.ts";

/** The kinds of key that can sign mail. */
export type KeyAlgorithm = "rsa" | "p256" | "p384" | "p521" | "ed25519";

/** Parameters of a kind of key: RFC 5754 (RSA, ECDSA with SHA-2), RFC 8419 (Ed25519). */
interface SigningAlgorithm {
  /** For `crypto.subtle.importKey`. */
  readonly importParams:
    | webcrypto.RsaHashedImportParams
    | webcrypto.EcKeyImportParams
    | { readonly name: "Ed25519" };
  /** For `crypto.subtle.sign` and `verify`. */
  readonly signParams: { readonly name: string } | webcrypto.EcdsaParams;
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
const SHA_256 = sequence(objectIdentifier("2.16.840.1.101.3.4.2.1"));
const SHA_384 = sequence(objectIdentifier("2.16.840.1.101.3.4.2.2"));
const SHA_512 = sequence(objectIdentifier("2.16.840.1.101.3.4.2.3"));

export const SIGNING_ALGORITHMS: Readonly<Record<KeyAlgorithm, SigningAlgorithm>> = {
  rsa: {
    importParams: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
    signParams: { name: "RSASSA-PKCS1-v1_5" },
    digest: "SHA-256",
    micalg: "sha-256",
    digestAlgorithm: SHA_256,
    signatureAlgorithm: sequence(objectIdentifier("1.2.840.113549.1.1.11"), NULL),
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
