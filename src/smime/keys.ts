import { type BaseBlock, ObjectIdentifier } from "asn1js";
import { type KeyAlgorithm, SIGNING_ALGORITHMS, type SignatureAlgorithm } from "./algorithms.ts";
import { DAMAGED, FOREIGN_PUBLIC_KEY, soundKey } from "./check-key.ts";
import {
  child,
  children,
  type Der,
  isContext,
  numberOf,
  objectIdentifier,
  octetsOf,
  oidOf,
  rawOf,
  readDer,
  sequence,
  smallInteger,
  TAG,
  tlv,
} from "./der.ts";
import { labelOf } from "./label.ts";
import { type PemBlock, readPem } from "./pem.ts";
import { IdentityError, keyContent, keyForm, REENCRYPT } from "./problem.ts";
import { asRsaEncryption, OID_RSA, OID_RSA_PSS, requiredPss } from "./rsa-pss.ts";

/** A decrypted private key. */
export interface PrivateKey {
  /** `PrivateKeyInfo` (RFC 5958), not encrypted. */
  readonly pkcs8: Der;
  readonly algorithm: KeyAlgorithm;
}

/** A private key as it was read from a text. */
interface ReadKey extends PrivateKey {
  /** Whether the text needed a passphrase, which may be empty. */
  readonly isEncrypted: boolean;
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

const SUPPORTED = "Use RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519";
const EXPLICIT_CURVE =
  "The private key has explicit curve parameters. Convert it with: openssl ec -in key.pem -param_enc named_curve -out key2.pem";
/** Names of kinds of key that cannot sign here. */
const UNSUPPORTED_KEYS: Readonly<Record<string, string>> = {
  "1.2.840.10040.4.1": "a DSA key",
  "1.2.840.113549.1.3.1": "a Diffie-Hellman key",
  "1.3.101.110": "an X25519 key, which can only encrypt",
  "1.3.101.111": "an X448 key, which can only encrypt",
  "1.3.101.113": "an Ed448 key, which no WebCrypto supports",
};
/** Names of curves without WebCrypto. */
const UNSUPPORTED_CURVES: Readonly<Record<string, string>> = {
  "1.3.132.0.10": "secp256k1",
  "1.3.132.0.33": "secp224r1",
  "1.2.840.10045.3.1.1": "prime192v1",
  "1.3.36.3.3.2.8.1.1.7": "brainpoolP256r1",
  "1.3.36.3.3.2.8.1.1.11": "brainpoolP384r1",
  "1.3.36.3.3.2.8.1.1.13": "brainpoolP512r1",
  "1.2.156.10197.1.301": "SM2",
};
const PROBE = new TextEncoder().encode("Can this key sign?");

/** Converts the DER of each PEM label to PKCS#8. Encrypted keys are decrypted first. */
const WRAPPERS: Readonly<Record<string, (der: Der) => Der>> = {
  "PRIVATE KEY": (der) => der,
  "RSA PRIVATE KEY": (der) => wrap(sequence(objectIdentifier(OID_RSA), tlv(TAG.NULL)), der),
  "EC PRIVATE KEY": wrapSec1,
};
/** Explanations for unsupported PEM labels. */
const UNSUPPORTED_LABELS: Readonly<Record<string, string>> = {
  "DSA PRIVATE KEY": `The private key is a DSA key. ${SUPPORTED}`,
  "OPENSSH PRIVATE KEY":
    "OpenSSH keys are not supported. Convert it with: ssh-keygen -p -m PKCS8 -f key, or create a new one with: " +
    "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem",
};

/**
 * Reads and decrypts a private key: PKCS#8 of both versions, encrypted or not, PKCS#1 (RFC 8017 A.1.2) or SEC1 (RFC 5915),
 * also with legacy PEM encryption.
 * @param passphrase ignored if the key is not encrypted.
 * @throws {IdentityError} if the key cannot be read or is inconsistent. The problem states what to do.
 */
export async function readPrivateKey(pem: string, passphrase: string): Promise<ReadKey> {
  const { isEncrypted, info } = await decrypted(await privateKeyBlock(pem), passphrase);
  return { ...(await readKeyInfo(info)), isEncrypted };
}

/** Checks a `PrivateKeyInfo` that was never encrypted, or is decrypted. @throws {IdentityError} as readPrivateKey */
async function readKeyInfo(info: Der): Promise<PrivateKey> {
  const algorithm = readAlgorithm(info);
  const { pkcs8, publicKey } = soundKey(info, algorithm);
  const key = await importSigningKey({ pkcs8, algorithm });
  await assertSigns(key, algorithm, publicKey);
  return { pkcs8, algorithm };
}

/** Some runtimes import a key that they cannot use. @throws {IdentityError} also for a public key of another key */
async function assertSigns(key: CryptoKey, algorithm: KeyAlgorithm, publicKey: Der | null): Promise<void> {
  const { importParams, signParams } = SIGNING_ALGORITHMS[algorithm];
  const signature = await crypto.subtle
    .sign(signParams, key, PROBE)
    .catch((cause: unknown) => fail(keyForm(DAMAGED, { cause })));
  if (publicKey === null) return;
  try {
    const imported = await crypto.subtle.importKey("raw", publicKey, importParams, false, ["verify"]);
    if (await crypto.subtle.verify(signParams, imported, signature, PROBE)) return;
  } catch {
    // A point that is not on the curve: some runtimes throw at import, others at verification.
  }
  throw keyForm(FOREIGN_PUBLIC_KEY);
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
  throw keyForm(
    `The private key is ${UNSUPPORTED_KEYS[oid] ?? `of an unsupported kind (${oid})`}. ${SUPPORTED}`,
  );
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

/** Loads the explanations of other texts on demand. */
async function privateKeyBlock(pem: string): Promise<PemBlock> {
  if (pem.trim() === "")
    throw keyContent("sign_no_key", "private_key", "There is no private key to sign with: set private_key");
  const blocks = readPem(pem).filter(({ label }) => label.endsWith("PRIVATE KEY"));
  const [block] = blocks;
  if (block === undefined) throw (await import("./explain.ts")).explain(pem, "private_key");
  if (blocks.some(({ der }) => der?.toHex() !== block.der?.toHex()))
    throw keyForm("The text holds more than one private key: keep only the one that signs");
  const unsupported = UNSUPPORTED_LABELS[block.label];
  if (unsupported !== undefined) throw keyForm(unsupported);
  return block;
}

interface Decrypted {
  readonly info: Der;
  readonly isEncrypted: boolean;
}

/** Loads the ciphers on demand: most keys are not encrypted. */
async function decrypted({ label, encryption, der }: PemBlock, passphrase: string): Promise<Decrypted> {
  if (der === null) throw keyForm(DAMAGED);
  if (encryption === null && label !== "ENCRYPTED PRIVATE KEY")
    return { info: toPkcs8(labelOf(der) ?? label, der), isEncrypted: false };
  const { decryptInfo, decryptLegacy } = await import("./key-encryption.ts");
  if (encryption === null) {
    const info = await decryptInfo(der, passphrase, (bytes) => keyInfoAlgorithm(bytes) !== null);
    return { info: info ?? fail(wrongPassphrase(passphrase)), isEncrypted: true };
  }
  const plaintext = await decryptLegacy(encryption, der, passphrase);
  // One wrong passphrase in 200 produces valid padding, so check that the plaintext is a key.
  const found = plaintext && labelOf(plaintext);
  if (!plaintext || !found) throw wrongPassphrase(passphrase);
  return { info: toPkcs8(found, plaintext), isEncrypted: true };
}

/** The same error for every way in which a passphrase fails. Some keys are encrypted with an empty one. */
function wrongPassphrase(passphrase: string): IdentityError {
  const reason =
    passphrase === ""
      ? "The private key is encrypted: set private_key_password to its passphrase"
      : "The passphrase does not decrypt the private key: check private_key_password";
  return keyContent("sign_passphrase", "private_key_password", reason);
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
    throw keyForm(`The private key does not name its curve. ${REENCRYPT}`);
  }
  curveOf(curve);
  return wrap(sequence(objectIdentifier(OID_EC), rawOf(curve)), der);
}

function wrap(algorithm: Der, key: Der): Der {
  return sequence(smallInteger(0), algorithm, tlv(TAG.OCTET_STRING, key));
}

function curveOf(parameters: BaseBlock): KeyAlgorithm {
  if (!(parameters instanceof ObjectIdentifier)) throw keyForm(EXPLICIT_CURVE);
  const oid = parameters.getValue();
  const name = UNSUPPORTED_CURVES[oid] ?? oid;
  return (
    CURVES[oid] ??
    fail(keyForm(`The private key is on the curve ${name}, which no WebCrypto supports. ${SUPPORTED}`))
  );
}

/** Whether a `SubjectPublicKeyInfo` has its curve as numbers, which no WebCrypto reads. */
export function hasExplicitCurve(publicKey: Der): boolean {
  const [oid, parameters] = children(child(readDer(publicKey), 0));
  return oid !== undefined && oidOf(oid) === OID_EC && parameters?.idBlock.isConstructed === true;
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
