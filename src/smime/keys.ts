import { type BaseBlock, ObjectIdentifier } from "asn1js";
import { type KeyAlgorithm, SIGNING_ALGORITHMS, type SignatureAlgorithm } from "./algorithms.ts";
import {
  child,
  children,
  type Der,
  isContext,
  numberOf,
  objectIdentifier,
  octetsOf,
  oidOf,
  type PemBlock,
  rawOf,
  readDer,
  readPem,
  sequence,
  smallInteger,
  TAG,
  tlv,
} from "./der.ts";
import { decryptPbes2, wrongPassphrase } from "./pbes2.ts";
import { IdentityError, keyContent, keyForm } from "./problem.ts";
import { asRsaEncryption, OID_RSA, OID_RSA_PSS, requiredPss } from "./rsa-pss.ts";

/** A decrypted private key. */
export interface PrivateKey {
  /** `PrivateKeyInfo` (RFC 5958), not encrypted. */
  readonly pkcs8: Der;
  readonly algorithm: KeyAlgorithm;
}

/** RFC 8551 4.2: shorter keys must not sign. */
const MIN_RSA_BITS = 2048;
/** A signature with 8192 bits takes about 40 ms. Longer keys would block the process. */
const MAX_RSA_BITS = 8192;

const OID_EC = "1.2.840.10045.2.1";
const OID_ED25519 = "1.3.101.112";
const CURVES: Readonly<Record<string, KeyAlgorithm>> = {
  "1.2.840.10045.3.1.7": "p256",
  "1.3.132.0.34": "p384",
  "1.3.132.0.35": "p521",
};

const NOT_PEM =
  "The private key is not PEM text (-----BEGIN PRIVATE KEY-----). Convert a PKCS#12 file with: " +
  "openssl pkcs12 -in file.p12 -nocerts -out key.pem, a DER file with: openssl pkey -in key.der -out key.pem";
const DAMAGED = "The private key is damaged: paste the whole PEM block again";
const SUPPORTED = "Use RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519";
const EXPLICIT_CURVE =
  "The private key has explicit curve parameters. Convert it with: openssl ec -in key.pem -param_enc named_curve -out key2.pem";
const LEGACY_ENCRYPTION =
  "The private key uses the legacy PEM encryption (Proc-Type). " +
  "Convert it with: openssl pkcs8 -topk8 -in key.pem -out key8.pem";

/** Converts the DER of each PEM label to PKCS#8. Encrypted keys are decrypted first. */
const WRAPPERS: Readonly<Record<string, (der: Der) => Der>> = {
  "PRIVATE KEY": (der) => der,
  "RSA PRIVATE KEY": (der) => wrap(sequence(objectIdentifier(OID_RSA), tlv(TAG.NULL)), der),
  "EC PRIVATE KEY": wrapSec1,
};
/** Explanations for unsupported PEM labels. */
const UNSUPPORTED_LABELS: Readonly<Record<string, string>> = {
  "OPENSSH PRIVATE KEY":
    "OpenSSH keys are not supported. Convert it with: ssh-keygen -p -m PKCS8 -f key, or create a new one with: " +
    "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem",
};

/**
 * Reads and decrypts a private key: PKCS#8, PKCS#8 encrypted by PBES2, PKCS#1 (RFC 8017 A.1.2) or SEC1 (RFC 5915).
 * @param passphrase ignored if the key is not encrypted.
 * @throws {IdentityError} if the key cannot be read. The problem states what to do.
 */
export async function readPrivateKey(pem: string, passphrase: string): Promise<PrivateKey> {
  const block = privateKeyBlock(pem);
  const der = block.der ?? fail(keyForm(block.hasHeaders ? LEGACY_ENCRYPTION : DAMAGED));
  const pkcs8 =
    block.label === "ENCRYPTED PRIVATE KEY" ? await decrypt(der, passphrase) : toPkcs8(block.label, der);
  const algorithm = readAlgorithm(pkcs8);
  await importSigningKey({ pkcs8, algorithm });
  return { pkcs8, algorithm };
}

/**
 * Returns the kind of key inside a `PrivateKeyInfo`.
 * @throws {IdentityError} for an unsupported kind, or bytes that are not a `PrivateKeyInfo`.
 */
export function readAlgorithm(pkcs8: Der): KeyAlgorithm {
  const [oid, parameters] = keyInfoAlgorithm(pkcs8) ?? fail(keyForm(DAMAGED));
  if (oid === OID_RSA) return "rsa";
  if (oid === OID_ED25519) return "ed25519";
  if (oid === OID_RSA_PSS && requiredPss(pkcs8) !== null) return "rsa";
  if (oid === OID_EC && parameters !== undefined) return curveOf(parameters);
  throw keyForm(`The kind of the private key is not supported. ${SUPPORTED}`);
}

/**
 * Imports a key for signing. It cannot be exported from the `CryptoKey`.
 * @throws {IdentityError} if the key is inconsistent, or an RSA key of the wrong length.
 */
export async function importSigningKey({
  pkcs8,
  algorithm,
}: {
  readonly pkcs8: Der;
  readonly algorithm: SignatureAlgorithm;
}): Promise<CryptoKey> {
  const { importParams } = SIGNING_ALGORITHMS[algorithm];
  const key = await crypto.subtle
    .importKey("pkcs8", asRsaEncryption(pkcs8), importParams, false, ["sign"])
    .catch((cause: unknown) => fail(keyForm(DAMAGED, { cause })));
  const bits = "modulusLength" in key.algorithm ? Number(key.algorithm.modulusLength) : null;
  if (bits !== null && (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS)) {
    throw keyForm(`The private key is RSA of ${bits} bits; ${MIN_RSA_BITS} to ${MAX_RSA_BITS} are supported`);
  }
  return key;
}

function privateKeyBlock(pem: string): PemBlock {
  if (pem.trim() === "")
    throw keyContent("sign_no_key", "private_key", "There is no private key to sign with: set private_key");
  const blocks = readPem(pem).filter(({ label }) => label.endsWith("PRIVATE KEY"));
  const [block] = blocks;
  if (block === undefined) throw keyForm(NOT_PEM);
  if (blocks.length > 1)
    throw keyForm("The text holds more than one private key: keep only the one that signs");
  const unsupported = UNSUPPORTED_LABELS[block.label];
  if (unsupported !== undefined) throw keyForm(unsupported);
  return block;
}

async function decrypt(der: Der, passphrase: string): Promise<Der> {
  if (passphrase === "") {
    const reason = "The private key is encrypted: set private_key_password to its passphrase";
    throw keyContent("sign_passphrase", "private_key_password", reason);
  }
  const pkcs8 = await decryptPbes2(der, passphrase);
  // One wrong passphrase in 200 produces valid padding, so check that the plaintext is a key.
  if (keyInfoAlgorithm(pkcs8) === null) throw wrongPassphrase();
  return pkcs8;
}

function toPkcs8(label: string, der: Der): Der {
  const wrapper = WRAPPERS[label] ?? fail(keyForm(`"${label}" is not a supported format. ${SUPPORTED}`));
  try {
    return wrapper(der);
  } catch (cause) {
    throw cause instanceof IdentityError ? cause : keyForm(DAMAGED, { cause });
  }
}

/** Moves the curve from `[0]` (RFC 5915 3) to the algorithm, where PKCS#8 has it. */
function wrapSec1(der: Der): Der {
  const parameters = children(readDer(der)).find((node) => isContext(node, 0));
  const curve = parameters === undefined ? undefined : child(parameters, 0);
  if (curve === undefined) {
    throw keyForm(
      "The private key does not name its curve. Convert it with: openssl pkcs8 -topk8 -in key.pem -out key8.pem",
    );
  }
  curveOf(curve);
  return wrap(sequence(objectIdentifier(OID_EC), rawOf(curve)), der);
}

function wrap(algorithm: Der, key: Der): Der {
  return sequence(smallInteger(0), algorithm, tlv(TAG.OCTET_STRING, key));
}

function curveOf(parameters: BaseBlock): KeyAlgorithm {
  if (!(parameters instanceof ObjectIdentifier)) throw keyForm(EXPLICIT_CURVE);
  return (
    CURVES[parameters.getValue()] ??
    fail(keyForm(`The curve of the private key is not supported. ${SUPPORTED}`))
  );
}

/** Returns `null` unless the bytes are one whole `PrivateKeyInfo`. */
function keyInfoAlgorithm(pkcs8: Der): readonly [oid: string, parameters: BaseBlock | undefined] | null {
  try {
    const root = readDer(pkcs8);
    const algorithm = child(root, 1);
    numberOf(child(root, 0));
    octetsOf(child(root, 2));
    return [oidOf(child(algorithm, 0)), children(algorithm)[1]];
  } catch {
    return null;
  }
}

function fail(error: Error): never {
  throw error;
}
