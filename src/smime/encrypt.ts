import { constants, publicEncrypt } from "node:crypto";
import { Null } from "asn1js";
import { ID_DATA } from "./attributes.ts";
import type { Certificate } from "./certificate.ts";
import {
  child,
  children,
  concat,
  type Der,
  DerError,
  equalBytes,
  objectIdentifier,
  oidOf,
  rawOf,
  readDer,
  sequence,
  smallInteger,
  TAG,
  tlv,
} from "./der.ts";
import { writePem } from "./pem.ts";
import { asRsaEncryption, OID_RSA, OID_RSAES_OAEP } from "./rsa-pss.ts";
import { base64Lines } from "./sign.ts";

/** A certificate to encrypt to, with the parts encoded that all messages to it share. */
export interface Recipient {
  /** `CMSVersion` of `EnvelopedData` (RFC 5652 6.1). */
  readonly version: Der;
  /** Returns the `RecipientInfo` that holds this content key. */
  readonly wrap: (contentKey: Der) => Promise<Der>;
}

/** Returns bytes that cannot be guessed. */
export type RandomBytes = (length: number) => Der;

type IssuedTo = Pick<Certificate, "publicKey" | "issuer" | "serialNumber">;

const CONTENT_KEY_BYTES = 32;
const IV_BYTES = 16;

const NULL = tlv(TAG.NULL);
const [VERSION_0, VERSION_2, VERSION_3] = [smallInteger(0), smallInteger(2), smallInteger(3)];
const ID_ENVELOPED_DATA = objectIdentifier("1.2.840.113549.1.7.3");
const AES_256_CBC = objectIdentifier("2.16.840.1.101.3.4.1.42");
const AES_256_WRAP = sequence(objectIdentifier("2.16.840.1.101.3.4.1.45"));
const SHA_256 = sequence(objectIdentifier("2.16.840.1.101.3.4.2.1"), NULL);

const RSA_ENCRYPTION = sequence(objectIdentifier(OID_RSA), NULL);
/** RFC 4055 4.1: with SHA-256 and MGF1 over it, and no label. */
const RSAES_OAEP = sequence(
  objectIdentifier(OID_RSAES_OAEP),
  sequence(
    tlv(TAG.CONTEXT_0, SHA_256),
    tlv(TAG.CONTEXT_1, sequence(objectIdentifier("1.2.840.113549.1.1.8"), SHA_256)),
  ),
);

export const OID_EC = "1.2.840.10045.2.1";
const EC_PUBLIC_KEY = sequence(objectIdentifier(OID_EC));
/** RFC 5753 7.1.4: dhSinglePass-stdDH-sha256kdf-scheme, which wraps the content key by AES-256. */
const DH_SHA_256_KDF = sequence(objectIdentifier("1.3.132.1.11.1"), AES_256_WRAP);
/** `ECC-CMS-SharedInfo` (RFC 5753 7.2) with the length of the wrapping key in bits. */
const SHARED_INFO = sequence(
  AES_256_WRAP,
  tlv(TAG.CONTEXT_2, tlv(TAG.OCTET_STRING, Uint8Array.of(0, 0, 1, 0))),
);
/** SEC 1 3.6.1: the counter of the only block of the key derivation. */
const FIRST_BLOCK = Uint8Array.of(0, 0, 0, 1);
/** Curves by OID, with the length of a shared secret in bits. */
const CURVES: Readonly<Record<string, { readonly namedCurve: string; readonly bits: number }>> = {
  "1.2.840.10045.3.1.7": { namedCurve: "P-256", bits: 256 },
  "1.3.132.0.34": { namedCurve: "P-384", bits: 384 },
  "1.3.132.0.35": { namedCurve: "P-521", bits: 528 },
};

const ascii = new TextEncoder();

/**
 * Reads the public key of a certificate, and wraps one content key to prove that it can be used.
 * @throws {Error} for a public key of an unsupported kind, or a damaged one.
 */
export async function prepareRecipient(certificate: IssuedTo): Promise<Recipient> {
  const algorithm = child(readDer(certificate.publicKey), 0);
  const recipient =
    oidOf(child(algorithm, 0)) === OID_EC ? await agreement(certificate) : transport(certificate);
  await recipient.wrap(new Uint8Array(CONTENT_KEY_BYTES));
  return recipient;
}

/**
 * Encrypts a MIME entity: `application/pkcs7-mime` with `EnvelopedData` (RFC 8551 3.3, RFC 5652 6) by AES-256-CBC, which
 * every receiver decrypts.
 * @param entity header, empty line and body with CRLF throughout.
 * @returns the encrypted entity, ending in CRLF.
 */
export async function encryptEntity(
  entity: Uint8Array<ArrayBuffer>,
  { version, wrap }: Recipient,
  randomBytes: RandomBytes,
): Promise<Der> {
  const [contentKey, iv] = [randomBytes(CONTENT_KEY_BYTES), randomBytes(IV_BYTES)];
  const key = await crypto.subtle.importKey("raw", contentKey, "AES-CBC", false, ["encrypt"]);
  const [recipientInfo, encrypted] = await Promise.all([
    wrap(contentKey),
    crypto.subtle.encrypt({ name: "AES-CBC", iv }, key, entity),
  ]);
  const encryptedContent = sequence(
    ID_DATA,
    sequence(AES_256_CBC, tlv(TAG.OCTET_STRING, iv)),
    tlv(TAG.PRIMITIVE_0, new Uint8Array(encrypted)),
  );
  const envelopedData = sequence(version, tlv(TAG.SET, recipientInfo), encryptedContent);
  const content = sequence(ID_ENVELOPED_DATA, tlv(TAG.CONTEXT_0, envelopedData));
  const lines = [
    'Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name="smime.p7m"',
    "Content-Transfer-Encoding: base64",
    'Content-Disposition: attachment; filename="smime.p7m"',
    "",
    base64Lines(content),
    "",
  ];
  return ascii.encode(lines.join("\r\n"));
}

/** Key transport (RFC 5652 6.2.1) by RSA: PKCS#1 v1.5, unless the key is only for OAEP. */
function transport({ publicKey, issuer, serialNumber }: IssuedTo): Recipient {
  const algorithm = transportAlgorithm(publicKey);
  const isOaep = algorithm === RSAES_OAEP;
  // WebCrypto has no PKCS#1 v1.5 encryption, and workerd takes the key only as PEM text.
  const key = writePem("PUBLIC KEY", asRsaEncryption(publicKey));
  const options = isOaep
    ? { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" }
    : { key, padding: constants.RSA_PKCS1_PADDING };
  const head = concat([VERSION_0, sequence(issuer, serialNumber), algorithm]);
  return {
    version: VERSION_0,
    wrap: async (contentKey) =>
      sequence(head, tlv(TAG.OCTET_STRING, new Uint8Array(publicEncrypt(options, contentKey)))),
  };
}

function transportAlgorithm(publicKey: Der): Der {
  const algorithm = child(readDer(publicKey), 0);
  const oid = oidOf(child(algorithm, 0));
  if (oid === OID_RSA) return RSA_ENCRYPTION;
  const [, parameters] = children(algorithm);
  const isUnrestricted = parameters === undefined || parameters instanceof Null;
  const isSame = equalBytes(rawOf(algorithm), RSAES_OAEP);
  if (oid === OID_RSAES_OAEP && (isUnrestricted || isSame)) return RSAES_OAEP;
  throw new DerError("An unsupported public key");
}

/** Key agreement (RFC 5753 3.1): an ephemeral key for each message, and the wrapping key derived from both. */
async function agreement({ publicKey, issuer, serialNumber }: IssuedTo): Promise<Recipient> {
  const curve = CURVES[oidOf(child(child(readDer(publicKey), 0), 1))];
  if (curve === undefined) throw new DerError("An unsupported curve");
  const { namedCurve, bits } = curve;
  const parameters = { name: "ECDH", namedCurve };
  const theirs = await crypto.subtle.importKey("spki", publicKey, parameters, false, []);
  const recipientId = sequence(issuer, serialNumber);

  async function wrap(contentKey: Der): Promise<Der> {
    const own = await crypto.subtle.generateKey(parameters, false, ["deriveBits"]);
    const [point, secret] = await Promise.all([
      crypto.subtle.exportKey("raw", own.publicKey),
      crypto.subtle.deriveBits({ name: "ECDH", public: theirs }, own.privateKey, bits),
    ]);
    const derived = concat([new Uint8Array(secret), FIRST_BLOCK, SHARED_INFO]);
    const encryptedKey = tlv(TAG.OCTET_STRING, await wrapByAes(contentKey, derived));
    const bitString = tlv(TAG.BIT_STRING, Uint8Array.of(0), new Uint8Array(point));
    const originator = tlv(TAG.CONTEXT_0, tlv(TAG.CONTEXT_1, EC_PUBLIC_KEY, bitString));
    const encryptedKeys = sequence(sequence(recipientId, encryptedKey));
    return tlv(TAG.CONTEXT_1, VERSION_3, originator, DH_SHA_256_KDF, encryptedKeys);
  }

  return { version: VERSION_2, wrap };
}

/** Wraps a content key (RFC 3394) by the SHA-256 of these bytes (ANSI X9.63 key derivation). */
async function wrapByAes(contentKey: Der, derived: Der): Promise<Der> {
  const { subtle } = crypto;
  const wrapping = await subtle.importKey("raw", await subtle.digest("SHA-256", derived), "AES-KW", false, [
    "wrapKey",
  ]);
  const key = await subtle.importKey("raw", contentKey, "AES-CBC", true, ["encrypt"]);
  return new Uint8Array(await subtle.wrapKey("raw", key, wrapping, "AES-KW"));
}
