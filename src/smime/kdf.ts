import { scrypt } from "node:crypto";
import type { BaseBlock } from "asn1js";
import { child, children, type Der, numberOf, octetsOf, oidOf } from "./der.ts";
import { keyForm } from "./problem.ts";

/** Derives the key of the cipher from the UTF-8 bytes of the passphrase. */
export type DeriveKey = (passphrase: Der) => Promise<Der>;

/** About 0.3 s of one core. Tools choose from 2048 to 600,000. */
const MAX_PBKDF2_ITERATIONS = 2_000_000;
/** Half of a Worker's memory. The default of openssl takes 16 MiB. */
const MAX_SCRYPT_BYTES = 64 * 1024 * 1024;
/** N·r·p: about 0.5 s of one core. The default of openssl is an eighth of it. */
const MAX_SCRYPT_WORK = 2 ** 20;

const CHEAPER = "Encrypt it at a lower cost: openssl pkcs8 -topk8 -iter 100000 -in key.pem -out key8.pem";
const UNIVERSAL_SEQUENCE_TAG = 16;

/** Hashes of the pseudorandom functions of PBKDF2 (RFC 8018 B.1). HMAC with SHA-1 is the default. */
const PRF_HASHES: Readonly<Record<string, string>> = {
  "1.2.840.113549.2.7": "SHA-1",
  "1.2.840.113549.2.9": "SHA-256",
  "1.2.840.113549.2.10": "SHA-384",
  "1.2.840.113549.2.11": "SHA-512",
};

const READERS: Readonly<Record<string, (parameters: BaseBlock, keyBytes: number) => DeriveKey>> = {
  "1.2.840.113549.1.5.12": readPbkdf2,
  "1.3.6.1.4.1.11591.4.11": readScrypt,
};

/**
 * Reads the key derivation `AlgorithmIdentifier` of PBES2 (RFC 8018 A.4).
 * @param keyBytes length of the key to derive.
 * @throws {IdentityError} for another function, or for a cost with which a hostile key could block the process.
 * @throws {DerError} if the parameters do not belong to the function.
 */
export function readKdf(algorithm: BaseBlock, keyBytes: number): DeriveKey {
  const reader = READERS[oidOf(child(algorithm, 0))];
  if (reader === undefined) {
    throw keyForm(
      "The private key is encrypted with a key derivation other than PBKDF2 or scrypt. " +
        "Convert it with: openssl pkcs8 -topk8 -in key.pem -out key8.pem",
    );
  }
  return reader(child(algorithm, 1), keyBytes);
}

/** RFC 8018 A.2: salt, iterationCount, keyLength OPTIONAL, prf DEFAULT hmacWithSHA1. */
function readPbkdf2(parameters: BaseBlock, keyBytes: number): DeriveKey {
  const salt = octetsOf(child(parameters, 0));
  const iterations = numberOf(child(parameters, 1));
  const prf = children(parameters).find((node) => node.idBlock.tagNumber === UNIVERSAL_SEQUENCE_TAG);
  const hash = prf === undefined ? "SHA-1" : PRF_HASHES[oidOf(child(prf, 0))];
  if (hash === undefined) throw keyForm(`The private key uses PBKDF2 with an unknown hash. ${CHEAPER}`);
  if (iterations < 1 || iterations > MAX_PBKDF2_ITERATIONS)
    throw tooCostly(`PBKDF2 with ${iterations} iterations`);
  return async (passphrase) => {
    const base = await crypto.subtle.importKey("raw", passphrase, "PBKDF2", false, ["deriveBits"]);
    try {
      const bits = await crypto.subtle.deriveBits(
        { name: "PBKDF2", hash, salt, iterations },
        base,
        keyBytes * 8,
      );
      return new Uint8Array(bits);
    } catch (cause) {
      // Some runtimes have a lower limit. Reaching it must not look like a wrong passphrase.
      throw tooCostly(`PBKDF2 with ${iterations} iterations`, { cause });
    }
  };
}

/** RFC 7914 7: salt, costParameter (N), blockSize (r), parallelizationParameter (p), keyLength OPTIONAL. */
function readScrypt(parameters: BaseBlock, keyBytes: number): DeriveKey {
  const salt = octetsOf(child(parameters, 0));
  const [N, r, p] = [1, 2, 3].map((index) => numberOf(child(parameters, index))) as [number, number, number];
  const isPowerOfTwo = N > 1 && Number.isInteger(Math.log2(N));
  if (!isPowerOfTwo || r < 1 || p < 1)
    throw keyForm(`The private key has broken scrypt parameters. ${CHEAPER}`);
  if (128 * N * r > MAX_SCRYPT_BYTES || N * r * p > MAX_SCRYPT_WORK)
    throw tooCostly(`scrypt with N=${N} r=${r} p=${p}`);
  return (passphrase) =>
    new Promise((resolve, reject) => {
      // Room for the salted blocks in addition to the 128·N·r bytes of the table.
      const options = { N, r, p, maxmem: 2 * MAX_SCRYPT_BYTES };
      scrypt(passphrase, salt, keyBytes, options, (error, key) => {
        if (error) reject(error);
        else resolve(new Uint8Array(key));
      });
    });
}

function tooCostly(what: string, options?: ErrorOptions): Error {
  return keyForm(`The private key is encrypted with ${what}, more than is allowed. ${CHEAPER}`, options);
}
