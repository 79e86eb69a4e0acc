import { pbkdf2, scrypt } from "node:crypto";
import type { BaseBlock } from "asn1js";
import { type Cost, tooCostly } from "./cost.ts";
import { child, children, type Der, numberOf, octetsOf, oidOf } from "./der.ts";
import { keyForm, REENCRYPT } from "./problem.ts";

/** Derives the key of the cipher from the bytes of the passphrase. */
type DeriveKey = (passphrase: Der) => Promise<Der>;

/** About 0.3 s of one core. Tools choose from 2048 to 600,000. */
const MAX_PBKDF2_ITERATIONS = 2_000_000;
/** Half of a Worker's memory. The default of openssl takes 16 MiB. */
const MAX_SCRYPT_BYTES = 64 * 1024 * 1024;
/** N·r·p: about 0.5 s of one core. The default of openssl is an eighth of it. */
const MAX_SCRYPT_WORK = 2 ** 20;

/** How often the scrypt work N·r·p counts, compared with a round of PBKDF2. */
const SCRYPT_WORK_ROUNDS = 2;
/** The work of deriving and mixing a block by PBKDF2, compared with one of its N steps. */
const SCRYPT_BLOCK_WORK = 2;
const UNIVERSAL_SEQUENCE_TAG = 16;

/** Hashes of the pseudorandom functions of PBKDF2 (RFC 8018 B.1), with their length. HMAC with SHA-1 is the default. */
export const PRF_HASHES: Readonly<Record<string, { readonly name: string; readonly bytes: number }>> = {
  "1.2.840.113549.2.7": { name: "SHA-1", bytes: 20 },
  "1.2.840.113549.2.8": { name: "SHA-224", bytes: 28 },
  "1.2.840.113549.2.9": { name: "SHA-256", bytes: 32 },
  "1.2.840.113549.2.10": { name: "SHA-384", bytes: 48 },
  "1.2.840.113549.2.11": { name: "SHA-512", bytes: 64 },
  "1.2.840.113549.2.13": { name: "SHA-512-256", bytes: 32 },
};
const OID_HMAC_SHA1 = "1.2.840.113549.2.7";
/** Those that WebCrypto lacks, by their names in `node:crypto`. */
const NODE_HASHES: Readonly<Record<string, string>> = { "SHA-224": "sha224", "SHA-512-256": "sha512-256" };

type Reader = (parameters: BaseBlock, keyBytes: number, cost: Cost) => DeriveKey;
const READERS: Readonly<Record<string, Reader>> = {
  "1.2.840.113549.1.5.12": readPbkdf2,
  "1.3.6.1.4.1.11591.4.11": readScrypt,
};

/**
 * Reads the key derivation `AlgorithmIdentifier` of PBES2 (RFC 8018 A.4).
 * @param keyBytes length of the key to derive.
 * @throws {IdentityError} for another function, or for a cost with which a hostile key could block the process.
 * @throws {DerError} if the parameters do not belong to the function.
 */
export function readKdf(algorithm: BaseBlock, keyBytes: number, cost: Cost): DeriveKey {
  const reader = READERS[oidOf(child(algorithm, 0))];
  if (reader === undefined) {
    throw keyForm(
      `The private key is encrypted with a key derivation other than PBKDF2 or scrypt. ${REENCRYPT}`,
    );
  }
  return reader(child(algorithm, 1), keyBytes, cost);
}

/** RFC 8018 A.2: salt, iterationCount, keyLength OPTIONAL, prf DEFAULT hmacWithSHA1. */
function readPbkdf2(parameters: BaseBlock, keyBytes: number, cost: Cost): DeriveKey {
  const salt = octetsOf(child(parameters, 0));
  const iterations = numberOf(child(parameters, 1));
  const prf = children(parameters).find((node) => node.idBlock.tagNumber === UNIVERSAL_SEQUENCE_TAG);
  const oid = prf === undefined ? OID_HMAC_SHA1 : oidOf(child(prf, 0));
  const hash = PRF_HASHES[oid];
  const what = `PBKDF2 with ${iterations} iterations`;
  if (hash === undefined)
    throw keyForm(`The private key is encrypted by PBKDF2 with an unsupported hash (${oid}). ${REENCRYPT}`);
  if (iterations < 1 || iterations > MAX_PBKDF2_ITERATIONS) throw tooCostly(what);
  return async (passphrase) => {
    cost.spend(iterations * Math.ceil(keyBytes / hash.bytes), what);
    try {
      return await derivePbkdf2(passphrase, { hash: hash.name, salt, iterations, keyBytes });
    } catch (cause) {
      // Some runtimes have a lower limit. Reaching it must not look like a wrong passphrase.
      throw tooCostly(what, { cause });
    }
  };
}

async function derivePbkdf2(
  passphrase: Der,
  {
    hash,
    salt,
    iterations,
    keyBytes,
  }: Readonly<{ hash: string; salt: Der; iterations: number; keyBytes: number }>,
): Promise<Der> {
  const digest = NODE_HASHES[hash];
  if (digest !== undefined) {
    return new Promise((resolve, reject) => {
      pbkdf2(passphrase, salt, iterations, keyBytes, digest, (error, key) => {
        if (error) reject(error);
        else resolve(new Uint8Array(key));
      });
    });
  }
  const base = await crypto.subtle.importKey("raw", passphrase, "PBKDF2", false, ["deriveBits"]);
  const parameters = { name: "PBKDF2", hash, salt, iterations };
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, base, keyBytes * 8));
}

/** RFC 7914 7: salt, costParameter (N), blockSize (r), parallelizationParameter (p), keyLength OPTIONAL. */
function readScrypt(parameters: BaseBlock, keyBytes: number, cost: Cost): DeriveKey {
  const salt = octetsOf(child(parameters, 0));
  const [N, r, p] = [1, 2, 3].map((index) => numberOf(child(parameters, index))) as [number, number, number];
  const bits = Math.log2(N);
  // N is a power of two, and less than 2^(128·r/8) (RFC 7914 2).
  if (N < 2 || !Number.isInteger(bits) || bits >= 16 * r || p < 1)
    throw keyForm(`The private key has broken scrypt parameters. ${REENCRYPT}`);
  const what = `scrypt with N=${N} r=${r} p=${p}`;
  if (128 * N * r > MAX_SCRYPT_BYTES || N * r * p > MAX_SCRYPT_WORK) throw tooCostly(what);
  return async (passphrase) => {
    cost.spend((N + SCRYPT_BLOCK_WORK) * r * p * SCRYPT_WORK_ROUNDS, what);
    const derived = new Promise<Der>((resolve, reject) => {
      // Room for the salted blocks in addition to the 128·N·r bytes of the table.
      const options = { N, r, p, maxmem: 2 * MAX_SCRYPT_BYTES };
      scrypt(passphrase, salt, keyBytes, options, (error, key) => {
        if (error) reject(error);
        else resolve(new Uint8Array(key));
      });
    });
    return derived.catch((cause) => Promise.reject(tooCostly(what, { cause })));
  };
}
