import type { BaseBlock } from "asn1js";
import { CIPHERS, type Cipher } from "./ciphers.ts";
import { Cost } from "./cost.ts";
import {
  child,
  concat,
  type Der,
  joinedOctetsOf,
  numberOf,
  objectIdentifier,
  octetsOf,
  oidOf,
  readDer,
  sequence,
  TAG,
  tlv,
  unsignedInteger,
} from "./der.ts";
import { readKdf } from "./kdf.ts";
import { derivePbkdf1, derivePkcs12, PURPOSE } from "./old-kdf.ts";
import { encodingsOf, type Passphrase } from "./passphrase.ts";
import type { LegacyEncryption } from "./pem.ts";
import { IdentityError, keyForm } from "./problem.ts";

/** Derives key and IV, and decrypts. Resolves to `null` if the padding is wrong. */
type Decrypt = (passphrase: Passphrase, ciphertext: Der) => Promise<Der | null>;

/** Ends the errors about ciphers, which OpenSSL 3 may have only in its legacy provider. */
const CONVERT_LEGACY =
  "Convert it with OpenSSL 3: openssl pkcs8 -topk8 -v2 aes256 -provider legacy -provider default -in key.pem " +
  "-out key8.pem, or a PKCS#12 file with openssl pkcs12 -legacy -in key.p12 -out key.pem";

const OID_PBES2 = "1.2.840.113549.1.5.13";
const OID_PBKDF2 = "1.2.840.113549.1.5.12";
const OID_HMAC_SHA256 = "1.2.840.113549.2.9";
const OID_AES_256_CBC = "2.16.840.1.101.3.4.1.42";

/** The ciphers of PBES2 (RFC 8018 B.2). */
const PBES2_CIPHERS: Readonly<Record<string, Cipher>> = {
  "2.16.840.1.101.3.4.1.2": CIPHERS["AES-128-CBC"],
  "2.16.840.1.101.3.4.1.22": CIPHERS["AES-192-CBC"],
  [OID_AES_256_CBC]: CIPHERS["AES-256-CBC"],
  "1.2.840.113549.3.7": CIPHERS["DES-EDE3-CBC"],
  "1.3.14.3.2.7": CIPHERS["DES-CBC"],
};
/** PBES1 (RFC 8018 A.3): PBKDF1, whose output is the key and then the IV. */
const PBES1_SCHEMES: Readonly<Record<string, readonly [hash: string, cipher: Cipher]>> = {
  "1.2.840.113549.1.5.3": ["md5", CIPHERS["DES-CBC"]],
  "1.2.840.113549.1.5.6": ["md5", CIPHERS["RC2-64-CBC"]],
  "1.2.840.113549.1.5.10": ["sha1", CIPHERS["DES-CBC"]],
  "1.2.840.113549.1.5.11": ["sha1", CIPHERS["RC2-64-CBC"]],
};
/** The schemes of PKCS#12 (RFC 7292 C), all with SHA-1. */
const PKCS12_SCHEMES: Readonly<Record<string, Cipher>> = {
  "1.2.840.113549.1.12.1.3": CIPHERS["DES-EDE3-CBC"],
  "1.2.840.113549.1.12.1.4": CIPHERS["DES-EDE-CBC"],
  "1.2.840.113549.1.12.1.5": CIPHERS["RC2-CBC"],
  "1.2.840.113549.1.12.1.6": CIPHERS["RC2-40-CBC"],
};

/** The plaintext is kept encrypted at rest, so this cost only has to be accepted by other programs. */
const OWN_ITERATIONS = Uint8Array.of(2048 >> 8, 2048 & 0xff);
const OWN_SALT_BYTES = 16;

/**
 * Decrypts an `EncryptedPrivateKeyInfo` (RFC 5958 3), or a DER value of the same form.
 * @param isPlaintext whether the bytes are what is expected. One wrong passphrase in 200 gives valid padding.
 * @returns `null` if the passphrase is wrong
 * @throws {IdentityError} for a scheme that is not supported, or costs too much
 */
export async function decryptInfo(
  der: Der,
  passphrase: string,
  isPlaintext: (bytes: Der) => boolean,
): Promise<Der | null> {
  const { decrypt, ciphertext } = readEncrypted(der);
  return firstOf(encodingsOf(passphrase), async (encoding) => {
    const plaintext = await decrypt(encoding, ciphertext);
    return plaintext !== null && isPlaintext(plaintext) ? plaintext : null;
  });
}

/** Returns the first result that is not `null`. The bound on work ends the attempts after the first. */
export async function firstOf<T>(
  encodings: readonly Passphrase[],
  attempt: (encoding: Passphrase) => Promise<T | null>,
): Promise<T | null> {
  for (const [index, encoding] of encodings.entries()) {
    try {
      const result = await attempt(encoding);
      if (result !== null) return result;
    } catch (error) {
      if (index === 0 || !(error instanceof IdentityError)) throw error;
    }
  }
  return null;
}

function readEncrypted(der: Der): { readonly decrypt: Decrypt; readonly ciphertext: Der } {
  try {
    const root = readDer(der);
    return { decrypt: readScheme(child(root, 0), new Cost()), ciphertext: joinedOctetsOf(child(root, 1)) };
  } catch (cause) {
    if (cause instanceof IdentityError) throw cause;
    throw keyForm("The encrypted private key is damaged: paste the whole PEM block again", { cause });
  }
}

/**
 * Reads the `AlgorithmIdentifier` of a password-based encryption.
 * @throws {IdentityError} for a scheme that is not supported
 * @throws {DerError} if the parameters do not belong to the scheme
 */
export function readScheme(scheme: BaseBlock, cost: Cost): Decrypt {
  const oid = oidOf(child(scheme, 0));
  const parameters = child(scheme, 1);
  if (oid === OID_PBES2) return readPbes2(parameters, cost);
  const salt = octetsOf(child(parameters, 0));
  const derivation = { salt, iterations: numberOf(child(parameters, 1)), cost };
  const [hash = "sha1", pbes1] = PBES1_SCHEMES[oid] ?? [];
  if (pbes1) {
    return async ({ bytes }, ciphertext) => {
      const derived = await derivePbkdf1(bytes, { hash, ...derivation }, 16);
      return pbes1.decrypt(derived.slice(0, 8), derived.slice(8), ciphertext);
    };
  }
  const cipher = PKCS12_SCHEMES[oid];
  if (!cipher)
    throw keyForm(`The private key is encrypted by an unsupported scheme (${oid}). ${CONVERT_LEGACY}`);
  return async ({ bmp }, ciphertext) => {
    const key = await derivePkcs12(bmp, { hash, ...derivation }, PURPOSE.key, cipher.keyBytes);
    const iv = await derivePkcs12(bmp, { hash, ...derivation }, PURPOSE.iv, cipher.ivBytes);
    return cipher.decrypt(key, iv, ciphertext);
  };
}

/** RFC 8018 6.2. */
function readPbes2(parameters: BaseBlock, cost: Cost): Decrypt {
  const [kdf, scheme] = [child(parameters, 0), child(parameters, 1)];
  const oid = oidOf(child(scheme, 0));
  const cipher = PBES2_CIPHERS[oid];
  if (!cipher) {
    throw keyForm(
      `The private key is encrypted with a cipher that is not supported (${oid}). ${CONVERT_LEGACY}`,
    );
  }
  const deriveKey = readKdf(kdf, cipher.keyBytes, cost);
  const iv = octetsOf(child(scheme, 1));
  if (iv.length !== cipher.ivBytes) throw new RangeError(`IV of ${iv.length} bytes`);
  return async ({ bytes }, ciphertext) => cipher.decrypt(await deriveKey(bytes), iv, ciphertext);
}

/**
 * Decrypts the body of a PEM block with `Proc-Type: 4,ENCRYPTED` (RFC 1421), as OpenSSL encrypts it.
 * @returns `null` if the passphrase is wrong
 * @throws {IdentityError} for a cipher that is not supported
 */
export async function decryptLegacy(
  { cipher: name, iv }: LegacyEncryption,
  ciphertext: Der,
  passphrase: string,
): Promise<Der | null> {
  const cipher = Object.entries(CIPHERS).find(([known]) => known === name)?.[1];
  if (!cipher)
    throw keyForm(`The private key is encrypted with ${name}, which is not supported. ${CONVERT_LEGACY}`);
  if (iv.length !== cipher.ivBytes)
    throw keyForm("The private key is damaged: paste the whole PEM block again");
  return firstOf(encodingsOf(passphrase), async ({ bytes }) => {
    const key = await deriveLegacyKey(bytes, iv.slice(0, 8), cipher.keyBytes);
    return cipher.decrypt(key, iv, ciphertext);
  });
}

/** OpenSSL's `EVP_BytesToKey` with MD5 and one iteration. */
async function deriveLegacyKey(passphrase: Der, salt: Der, length: number): Promise<Der> {
  let derived = new Uint8Array();
  let last = new Uint8Array();
  while (derived.length < length) {
    last = await derivePbkdf1(
      concat([last, passphrase]),
      { hash: "md5", salt, iterations: 1, cost: new Cost() },
      16,
    );
    derived = concat([derived, last]);
  }
  return derived.slice(0, length);
}

/** Encrypts a `PrivateKeyInfo` by PBES2 with PBKDF2-SHA256 and AES-256. @returns `EncryptedPrivateKeyInfo` */
export async function encryptInfo(pkcs8: Der, passphrase: string): Promise<Der> {
  const salt = tlv(TAG.OCTET_STRING, crypto.getRandomValues(new Uint8Array(OWN_SALT_BYTES)));
  const prf = sequence(objectIdentifier(OID_HMAC_SHA256), tlv(TAG.NULL));
  const kdf = sequence(objectIdentifier(OID_PBKDF2), sequence(salt, unsignedInteger(OWN_ITERATIONS), prf));
  const iv = crypto.getRandomValues(new Uint8Array(CIPHERS["AES-256-CBC"].ivBytes));
  const bytes = new TextEncoder().encode(passphrase);
  const derive = readKdf(readDer(kdf), CIPHERS["AES-256-CBC"].keyBytes, new Cost());
  const key = await crypto.subtle.importKey("raw", await derive(bytes), "AES-CBC", false, ["encrypt"]);
  const ciphertext = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-CBC", iv }, key, pkcs8));
  const aes = sequence(objectIdentifier(OID_AES_256_CBC), tlv(TAG.OCTET_STRING, iv));
  const scheme = sequence(objectIdentifier(OID_PBES2), sequence(kdf, aes));
  return sequence(scheme, tlv(TAG.OCTET_STRING, ciphertext));
}
