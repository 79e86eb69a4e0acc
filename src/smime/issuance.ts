import type { BaseBlock } from "asn1js";
import { remember } from "../domain/cache.ts";
import type { Certificate } from "./certificate.ts";
import {
  child,
  children,
  concat,
  type Der,
  DerError,
  isContext,
  numberOf,
  oidOf,
  rawOf,
  readDer,
} from "./der.ts";
import { isSameName } from "./names.ts";
import { asRsaEncryption, OID_RSA, OID_RSA_PSS } from "./rsa-pss.ts";

type KeyKind = "rsa" | "ecdsa" | "ed25519";
type Hash = "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512";

/** A signature algorithm of certificates (RFC 3279, 4055, 5758, 8410). */
interface SignatureAlgorithm {
  readonly key: KeyKind;
  /** `null` for a hash that WebCrypto lacks, and for Ed25519. */
  readonly hash: Hash | null;
  /** Salt length in octets, for RSASSA-PSS. */
  readonly saltLength?: number;
  /** Name of a hash for which collisions can be made. */
  readonly weakHash?: "MD2" | "MD5" | "SHA-1";
}

const ALGORITHMS: Readonly<Record<string, SignatureAlgorithm>> = {
  "1.2.840.113549.1.1.2": { key: "rsa", hash: null, weakHash: "MD2" },
  "1.2.840.113549.1.1.4": { key: "rsa", hash: null, weakHash: "MD5" },
  "1.2.840.113549.1.1.5": { key: "rsa", hash: "SHA-1", weakHash: "SHA-1" },
  "1.2.840.113549.1.1.11": { key: "rsa", hash: "SHA-256" },
  "1.2.840.113549.1.1.12": { key: "rsa", hash: "SHA-384" },
  "1.2.840.113549.1.1.13": { key: "rsa", hash: "SHA-512" },
  "1.2.840.113549.1.1.14": { key: "rsa", hash: null },
  "1.2.840.10045.4.1": { key: "ecdsa", hash: "SHA-1", weakHash: "SHA-1" },
  "1.2.840.10045.4.3.1": { key: "ecdsa", hash: null },
  "1.2.840.10045.4.3.2": { key: "ecdsa", hash: "SHA-256" },
  "1.2.840.10045.4.3.3": { key: "ecdsa", hash: "SHA-384" },
  "1.2.840.10045.4.3.4": { key: "ecdsa", hash: "SHA-512" },
  "1.3.101.112": { key: "ed25519", hash: null },
};
const PSS_DEFAULT_SALT_LENGTH = 20;
const HASHES: Readonly<Record<string, Hash>> = {
  "1.3.14.3.2.26": "SHA-1",
  "2.16.840.1.101.3.4.2.1": "SHA-256",
  "2.16.840.1.101.3.4.2.2": "SHA-384",
  "2.16.840.1.101.3.4.2.3": "SHA-512",
};

export const KEY_KINDS: Readonly<Record<string, KeyKind>> = {
  [OID_RSA]: "rsa",
  [OID_RSA_PSS]: "rsa",
  "1.2.840.10045.2.1": "ecdsa",
  "1.3.101.112": "ed25519",
};
/** Curves by OID, with the octets of a coordinate. */
const CURVES: Readonly<Record<string, { readonly namedCurve: string; readonly octets: number }>> = {
  "1.2.840.10045.3.1.7": { namedCurve: "P-256", octets: 32 },
  "1.3.132.0.34": { namedCurve: "P-384", octets: 48 },
  "1.3.132.0.35": { namedCurve: "P-521", octets: 66 },
};

/** Whether one certificate was issued by another. `unknown`: this runtime cannot verify the signature. */
type Issuance = "verified" | "unknown" | "none";

/** The name must be that of the issuer, and the signature must be by its key (RFC 5280 6.1.3). */
export async function issuanceBy(issuer: Certificate, certificate: Certificate): Promise<Issuance> {
  if (!isSameName(issuer.subject, certificate.issuer)) return "none";
  const verified = await isSignedBy(issuer.publicKey, certificate);
  return verified === null ? "unknown" : verified ? "verified" : "none";
}

/** Returns the name of the hash if signatures with it can be forged; otherwise `null`. */
export const weakHashOf = remember(({ signatureAlgorithm }: Certificate): string | null => {
  try {
    return readAlgorithm(signatureAlgorithm)?.weakHash ?? null;
  } catch (error) {
    if (error instanceof DerError) return null;
    throw error;
  }
});

/** @returns `null` if this runtime cannot tell. */
async function isSignedBy(publicKey: Der, certificate: Certificate): Promise<boolean | null> {
  try {
    const algorithm = readAlgorithm(certificate.signatureAlgorithm);
    const key = readPublicKey(publicKey);
    if (algorithm === null || key.kind === null) return null;
    if (algorithm.key !== key.kind) return false;
    const verification = verificationOf(algorithm, key, publicKey, certificate.signature);
    if (verification === null) return null;
    const { spki, importParams, verifyParams, signature } = verification;
    const imported = await crypto.subtle.importKey("spki", spki, importParams, false, ["verify"]);
    return await crypto.subtle.verify(verifyParams, imported, signature, certificate.signed);
  } catch {
    // Some runtimes lack a curve, a hash or a size, at import or at verification. A damaged key is no better.
    return null;
  }
}

function verificationOf(
  { key: kind, hash, saltLength }: SignatureAlgorithm,
  { parameters }: PublicKey,
  publicKey: Der,
  signature: Der,
) {
  if (kind === "ed25519") {
    const params = { name: "Ed25519" };
    return { spki: publicKey, importParams: params, verifyParams: params, signature };
  }
  if (hash === null) return null;
  if (kind === "ecdsa") {
    const curve = parameters && CURVES[oidOf(parameters)];
    if (!curve) return null;
    const importParams = { name: "ECDSA", namedCurve: curve.namedCurve };
    const verifyParams = { name: "ECDSA", hash };
    return { spki: publicKey, importParams, verifyParams, signature: halves(signature, curve.octets) };
  }
  const name = saltLength === undefined ? "RSASSA-PKCS1-v1_5" : "RSA-PSS";
  return {
    spki: asRsaEncryption(publicKey),
    importParams: { name, hash },
    verifyParams: { name, saltLength: saltLength ?? 0 },
    signature,
  };
}

function readAlgorithm(der: Der): SignatureAlgorithm | null {
  const [type, parameters] = children(readDer(der));
  if (type === undefined) return null;
  return oidOf(type) === OID_RSA_PSS ? readPss(parameters) : (ALGORITHMS[oidOf(type)] ?? null);
}

/** Reads RSASSA-PSS-params (RFC 4055 3.1). WebCrypto uses one hash for the message and the mask. */
function readPss(parameters: BaseBlock | undefined): SignatureAlgorithm {
  const fields = parameters === undefined ? [] : children(parameters);
  const field = (tag: number) => {
    const found = fields.find((value) => isContext(value, tag));
    return found && child(found, 0);
  };
  const hashOf = (algorithm: BaseBlock | undefined) =>
    algorithm === undefined ? "SHA-1" : HASHES[oidOf(child(algorithm, 0))];
  const hash = hashOf(field(0));
  const mask = field(1);
  const saltLength = field(2);
  const isUniform = hash === hashOf(mask && child(mask, 1));
  return {
    key: "rsa",
    hash: isUniform ? (hash ?? null) : null,
    saltLength: saltLength === undefined ? PSS_DEFAULT_SALT_LENGTH : numberOf(saltLength),
    ...(hash === "SHA-1" ? { weakHash: hash } : {}),
  };
}

interface PublicKey {
  readonly kind: KeyKind | null;
  readonly parameters: BaseBlock | null;
}

/** Reads `SubjectPublicKeyInfo` (RFC 5280 4.1). */
function readPublicKey(publicKey: Der): PublicKey {
  const [type, parameters = null] = children(child(readDer(publicKey), 0));
  if (type === undefined) throw new DerError("A key without algorithm");
  return { kind: KEY_KINDS[oidOf(type)] ?? null, parameters };
}

/** Concatenates r and s of `ECDSA-Sig-Value` (RFC 3279 2.2.3), as WebCrypto wants them. */
function halves(signature: Der, octets: number): Der {
  return concat(children(readDer(signature)).map((number) => padded(digitsOf(rawOf(number)), octets)));
}

function padded(digits: Uint8Array, length: number): Uint8Array {
  if (digits.length > length) throw new DerError("A number is too large");
  return concat([new Uint8Array(length - digits.length), digits]);
}

/** Returns the octets of a positive INTEGER without leading zeros. */
function digitsOf(integer: Der): Uint8Array {
  const digits = contentsOf(integer);
  const first = digits.findIndex((octet) => octet !== 0);
  return first < 0 ? digits.subarray(digits.length) : digits.subarray(first);
}

/** Returns the contents of one DER value. */
export function contentsOf(der: Der): Uint8Array {
  const length = der[1] ?? 0;
  return der.subarray(length < 0x80 ? 2 : 2 + (length & 0x7f));
}
