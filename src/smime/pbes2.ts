import type { BaseBlock } from "asn1js";
import { child, type Der, octetsOf, oidOf, readDer } from "./der.ts";
import { type DeriveKey, readKdf } from "./kdf.ts";
import { IdentityError, keyContent, keyForm } from "./problem.ts";

const CONVERT = "Convert it with: openssl pkcs8 -topk8 -in key.pem -out key8.pem";
const OID_PBES2 = "1.2.840.113549.1.5.13";

/** AES-CBC (RFC 8018 B.2.5) by key length in bytes; the only cipher of PBES2 that WebCrypto has. */
const CIPHER_KEY_BYTES: Readonly<Record<string, number>> = {
  "2.16.840.1.101.3.4.1.2": 16,
  "2.16.840.1.101.3.4.1.22": 24,
  "2.16.840.1.101.3.4.1.42": 32,
};
const AES_BLOCK_BYTES = 16;

interface EncryptedKey {
  readonly deriveKey: DeriveKey;
  readonly iv: Der;
  readonly ciphertext: Der;
}

/**
 * Decrypts an `EncryptedPrivateKeyInfo` (RFC 5958 3) of PBES2 (RFC 8018 6.2) with PBKDF2 or scrypt and AES-CBC.
 * @returns the plaintext. One wrong passphrase in 200 produces garbage instead of an error: the caller has to check.
 * @throws {IdentityError} for another scheme, parameters that cost too much, or a wrong passphrase.
 */
export async function decryptPbes2(der: Der, passphrase: string): Promise<Der> {
  const { deriveKey, iv, ciphertext } = readEncryptedKey(der);
  const secret = await deriveKey(new TextEncoder().encode(passphrase));
  const key = await crypto.subtle.importKey("raw", secret, "AES-CBC", false, ["decrypt"]);
  try {
    return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-CBC", iv }, key, ciphertext));
  } catch (cause) {
    throw wrongPassphrase({ cause });
  }
}

/** The same error for every way in which a passphrase fails. */
export function wrongPassphrase(options?: ErrorOptions): IdentityError {
  const reason = "The passphrase does not decrypt the private key: check private_key_password";
  return keyContent("sign_passphrase", "private_key_password", reason, options);
}

function readEncryptedKey(der: Der): EncryptedKey {
  try {
    const root = readDer(der);
    const scheme = child(root, 0);
    if (oidOf(child(scheme, 0)) !== OID_PBES2) {
      throw keyForm(`The private key is encrypted with an outdated scheme (PBES1). ${CONVERT}`);
    }
    const [kdf, cipher] = [child(child(scheme, 1), 0), child(child(scheme, 1), 1)];
    const deriveKey = readKdf(kdf, cipherKeyBytes(cipher));
    return { deriveKey, iv: readIv(cipher), ciphertext: octetsOf(child(root, 1)) };
  } catch (cause) {
    if (cause instanceof IdentityError) throw cause;
    throw keyForm("The encrypted private key is damaged: paste the whole PEM block again", { cause });
  }
}

function cipherKeyBytes(cipher: BaseBlock): number {
  const keyBytes = CIPHER_KEY_BYTES[oidOf(child(cipher, 0))];
  if (keyBytes === undefined) {
    throw keyForm(`The private key is encrypted with a cipher other than AES in CBC mode. ${CONVERT}`);
  }
  return keyBytes;
}

function readIv(cipher: BaseBlock): Der {
  const iv = octetsOf(child(cipher, 1));
  if (iv.length !== AES_BLOCK_BYTES) throw new RangeError(`IV of ${iv.length} bytes`);
  return iv;
}
