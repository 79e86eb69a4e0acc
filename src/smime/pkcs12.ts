import { createHmac } from "node:crypto";
import type { BaseBlock } from "asn1js";
import { Cost } from "./cost.ts";
import {
  child,
  children,
  type Der,
  equalBytes,
  isContext,
  joinedOctetsOf,
  numberOf,
  octetsOf,
  oidOf,
  rawOf,
  readDer,
} from "./der.ts";
import { PRF_HASHES, readKdf } from "./kdf.ts";
import { firstOf, readScheme } from "./key-encryption.ts";
import { derivePkcs12, PURPOSE } from "./old-kdf.ts";
import { encodingsOf, type Passphrase } from "./passphrase.ts";
import { IdentityError, keyContent, keyForm } from "./problem.ts";

/** The contents of a PKCS#12 file that matter for signing. Names and attributes are ignored. */
interface Pkcs12 {
  /** `PrivateKeyInfo`, each once. */
  readonly keys: readonly Der[];
  readonly certificates: readonly Der[];
}

type Contents = { readonly keys: Der[]; readonly certificates: Der[] };

const OID = {
  data: "1.2.840.113549.1.7.1",
  signedData: "1.2.840.113549.1.7.2",
  envelopedData: "1.2.840.113549.1.7.3",
  encryptedData: "1.2.840.113549.1.7.6",
  keyBag: "1.2.840.113549.1.12.10.1.1",
  shroudedKeyBag: "1.2.840.113549.1.12.10.1.2",
  certBag: "1.2.840.113549.1.12.10.1.3",
  safeContentsBag: "1.2.840.113549.1.12.10.1.6",
  x509Certificate: "1.2.840.113549.1.9.22.1",
  pbmac1: "1.2.840.113549.1.5.14",
} as const;

/** Hashes of the MAC, by their names in `node:crypto`. */
const MAC_HASHES: Readonly<Record<string, string>> = {
  "1.2.840.113549.2.5": "md5",
  "1.3.14.3.2.26": "sha1",
  "2.16.840.1.101.3.4.2.4": "sha224",
  "2.16.840.1.101.3.4.2.1": "sha256",
  "2.16.840.1.101.3.4.2.2": "sha384",
  "2.16.840.1.101.3.4.2.3": "sha512",
  "2.16.840.1.101.3.4.2.6": "sha512-256",
};
/** The output of the longest hash, which is as long as the longest key of a MAC (RFC 9579 3, RFC 7292 B.4). */
const MAX_MAC_BYTES = 64;
/** Bags inside bags. */
const MAX_DEPTH = 8;
const EXPORT_AGAIN = "Export it again with AES and SHA-256";
const DAMAGED =
  "The PKCS#12 file is damaged or cut off: paste its whole base64, or send the file itself in a multipart form";

/**
 * Reads a PKCS#12 file (RFC 7292), DER or BER, with a password-based MAC or none.
 * @param passphrase may be empty
 * @throws {IdentityError} for a wrong passphrase, damage, or a form that is not supported
 */
export async function readPkcs12(der: Der, passphrase: string): Promise<Pkcs12> {
  try {
    const [, authSafe, mac] = children(readDer(der));
    if (authSafe === undefined) throw new RangeError("No authSafe");
    const safe = contentOf(authSafe);
    const cost = new Cost();
    const found = await firstOf(encodingsOf(passphrase), async (encoding) =>
      mac !== undefined && !(await isAuthentic(safe, mac, encoding, cost))
        ? null
        : openSafe(safe, encoding, cost),
    );
    if (found === null) throw wrongPassphrase(passphrase);
    return { ...found, keys: unique(found.keys) };
  } catch (cause) {
    throw cause instanceof IdentityError ? cause : keyForm(DAMAGED, { cause });
  }
}

/** @returns the content of `data`; other types have keys that are not passphrases. */
function contentOf(info: BaseBlock): Der {
  const type = oidOf(child(info, 0));
  if (type === OID.data) return joinedOctetsOf(child(child(info, 1), 0));
  if (type !== OID.signedData && type !== OID.envelopedData) throw new RangeError(`Content ${type}`);
  throw keyForm(
    "The PKCS#12 file is protected by a certificate, not by a passphrase: export it again with a passphrase",
  );
}

/** Checks the MAC over the content (RFC 7292 4): its own, or PBMAC1 (RFC 9579). */
async function isAuthentic(
  content: Der,
  mac: BaseBlock,
  passphrase: Passphrase,
  cost: Cost,
): Promise<boolean> {
  const [digestInfo, salt, iterations] = children(mac);
  if (digestInfo === undefined || salt === undefined) throw new RangeError("No MAC");
  const algorithm = child(digestInfo, 0);
  const expected = octetsOf(child(digestInfo, 1));
  if (expected.length > MAX_MAC_BYTES) throw new RangeError("A MAC longer than any hash");
  const oid = oidOf(child(algorithm, 0));
  if (oid === OID.pbmac1) return isPbmac1(content, expected, child(algorithm, 1), passphrase, cost);
  const hash = MAC_HASHES[oid];
  if (hash === undefined)
    throw keyForm(`The PKCS#12 file has a MAC with an unsupported hash (${oid}). ${EXPORT_AGAIN}`);
  const rounds = iterations === undefined ? 1 : numberOf(iterations);
  const derivation = { hash, salt: octetsOf(salt), iterations: rounds, cost };
  const key = await derivePkcs12(passphrase.bmp, derivation, PURPOSE.mac, expected.length);
  return equalBytes(createHmac(hash, key).update(content).digest(), expected);
}

/** RFC 9579 3: PBKDF2 names the length of its key there. */
async function isPbmac1(
  content: Der,
  expected: Der,
  parameters: BaseBlock,
  { bytes }: Passphrase,
  cost: Cost,
): Promise<boolean> {
  const [kdf, scheme] = [child(parameters, 0), child(parameters, 1)];
  const keyBytes = numberOf(child(child(kdf, 1), 2));
  if (keyBytes > MAX_MAC_BYTES)
    throw keyForm(
      `The PKCS#12 file has a MAC with a key of ${keyBytes} bytes, more than ${MAX_MAC_BYTES}. ${EXPORT_AGAIN}`,
    );
  const key = await readKdf(kdf, keyBytes, cost)(bytes);
  const hash = PRF_HASHES[oidOf(child(scheme, 0))]?.name;
  if (hash === undefined)
    throw keyForm(`The PKCS#12 file has a MAC with an unsupported hash. ${EXPORT_AGAIN}`);
  // Node writes SHA-256 as sha256, but keeps the hyphen of sha512-256.
  const name = hash.toLowerCase().replace("-", "");
  return equalBytes(createHmac(name, key).update(content).digest(), expected);
}

/** @returns `null` if the passphrase does not decrypt the contents, as far as padding and structure show. */
async function openSafe(safe: Der, passphrase: Passphrase, cost: Cost): Promise<Contents | null> {
  const contents: Contents = { keys: [], certificates: [] };
  for (const info of children(readDer(safe))) {
    const bags =
      oidOf(child(info, 0)) === OID.encryptedData
        ? await decryptContent(child(child(info, 1), 0), passphrase, cost)
        : contentOf(info);
    if (bags === null || !(await readBags(readDer(bags), { contents, passphrase, cost, depth: 0 })))
      return null;
  }
  return contents;
}

/** Decrypts the `EncryptedContentInfo` of `EncryptedData` (RFC 5652 8). */
async function decryptContent(data: BaseBlock, passphrase: Passphrase, cost: Cost): Promise<Der | null> {
  const info = child(data, 1);
  const content = children(info).find((node) => isContext(node, 0));
  if (content === undefined) throw new RangeError("No content");
  return decryptValue(child(info, 1), joinedOctetsOf(content), passphrase, cost);
}

/** @returns `null` unless the plaintext is one DER value. */
async function decryptValue(
  scheme: BaseBlock,
  ciphertext: Der,
  passphrase: Passphrase,
  cost: Cost,
): Promise<Der | null> {
  const plaintext = await readScheme(scheme, cost)(passphrase, ciphertext);
  try {
    if (plaintext !== null) readDer(plaintext);
    return plaintext;
  } catch {
    return null;
  }
}

interface Bags {
  readonly contents: Contents;
  readonly passphrase: Passphrase;
  readonly cost: Cost;
  readonly depth: number;
}

/** Reads `SafeContents` (RFC 7292 4.2). @returns whether the passphrase decrypts its keys */
async function readBags(safeContents: BaseBlock, bags: Bags): Promise<boolean> {
  if (bags.depth > MAX_DEPTH) throw new RangeError("Too deep");
  for (const bag of children(safeContents)) {
    const [type, value] = [oidOf(child(bag, 0)), child(child(bag, 1), 0)];
    if (type === OID.keyBag) bags.contents.keys.push(rawOf(value));
    if (type === OID.shroudedKeyBag) {
      const { passphrase, cost } = bags;
      const ciphertext = joinedOctetsOf(child(value, 1));
      const key = await decryptValue(child(value, 0), ciphertext, passphrase, cost);
      if (key === null) return false;
      bags.contents.keys.push(key);
    }
    if (type === OID.certBag && oidOf(child(value, 0)) === OID.x509Certificate) {
      bags.contents.certificates.push(joinedOctetsOf(child(child(value, 1), 0)));
    }
    const isNested = type === OID.safeContentsBag;
    if (isNested && !(await readBags(value, { ...bags, depth: bags.depth + 1 }))) return false;
  }
  return true;
}

function wrongPassphrase(passphrase: string): IdentityError {
  const reason =
    passphrase === ""
      ? "The PKCS#12 file is encrypted: set private_key_password to its passphrase"
      : "The passphrase does not open the PKCS#12 file: check private_key_password";
  return keyContent("sign_passphrase", "private_key_password", reason);
}

function unique(values: readonly Der[]): readonly Der[] {
  return values.filter((value, index) => values.findIndex((other) => equalBytes(other, value)) === index);
}
