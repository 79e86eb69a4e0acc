import { ObjectIdentifier } from "asn1js";
import type { KeyAlgorithm } from "./algorithms.ts";
import {
  bigIntOf,
  bitsOf,
  child,
  children,
  type Der,
  DerError,
  equalBytes,
  isContext,
  joinedOctetsOf,
  numberOf,
  octetsOf,
  oidOf,
  rawOf,
  readDer,
  sequence,
  smallInteger,
  TAG,
  tlv,
} from "./der.ts";
import { IdentityError, keyForm } from "./problem.ts";
import { OID_RSA, OID_RSA_PSS, RSA_ENCRYPTION } from "./rsa-pss.ts";

/** A private key whose numbers fit each other, in the form that every runtime imports. */
interface SoundKey {
  /** `PrivateKeyInfo`, version 1 (RFC 5208 5), with neither attributes nor the public key of version 2. */
  readonly pkcs8: Der;
  /** The point or the octets of the public key, if the text has them. Not yet compared with the private key. */
  readonly publicKey: Der | null;
}

/** Sizes and orders of the curves (FIPS 186-5). */
const CURVES = {
  p256: { bytes: 32, order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n },
  p384: {
    bytes: 48,
    order:
      0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  },
  p521: {
    bytes: 66,
    order:
      0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
  },
} as const;
const RSA_OIDS = [OID_RSA, OID_RSA_PSS];
const ED25519_BYTES = 32;
/** The first octet of an uncompressed point (SEC 1 2.3.3). */
const UNCOMPRESSED = 4;
/** Members of `RSAPrivateKey` with `otherPrimeInfos`. */
const MULTI_PRIME_MEMBERS = 10;
/** More would make the checks of a hostile key slow. */
const MAX_RSA_BITS = 16_384;

/** The error for a key whose parts contradict each other. */
export const DAMAGED = "The private key is damaged: paste the whole PEM block again";
export const FOREIGN_PUBLIC_KEY =
  "The text holds the public key of another private key: export the key again from where it was created";
const MULTI_PRIME =
  "The private key is RSA with more than two primes, which is not supported. Create a new key and certificate, " +
  "starting with: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem";

/**
 * Checks the numbers of a private key, and rewrites it. Runtimes differ in what they check, and when.
 * @throws {IdentityError} if the key cannot sign
 */
export function soundKey(pkcs8: Der, algorithm: KeyAlgorithm): SoundKey {
  try {
    const info = readDer(pkcs8);
    const octets = octetsOf(child(info, 2));
    const isRsa = oidOf(child(child(info, 1), 0)) === OID_RSA;
    // Some programs leave out the NULL, without which BoringSSL rejects the key.
    const identifier = isRsa ? RSA_ENCRYPTION : rawOf(child(info, 1));
    const outer = children(info).find((node) => isContext(node, 1));
    const publicKey = outer === undefined ? null : joinedOctetsOf(outer).slice(1);
    const { key, point } = CHECKS[algorithm](octets, publicKey);
    const rewritten = sequence(smallInteger(0), identifier, tlv(TAG.OCTET_STRING, key));
    return { pkcs8: rewritten, publicKey: point };
  } catch (cause) {
    throw cause instanceof IdentityError ? cause : keyForm(DAMAGED, { cause });
  }
}

interface Checked {
  /** Contents of `privateKey`. */
  readonly key: Der;
  readonly point: Der | null;
}
type Check = (octets: Der, publicKey: Der | null) => Checked;

const CHECKS: Readonly<Record<KeyAlgorithm, Check>> = {
  rsa: checkRsa,
  p256: (octets, publicKey) => checkEc("p256", octets, publicKey),
  p384: (octets, publicKey) => checkEc("p384", octets, publicKey),
  p521: (octets, publicKey) => checkEc("p521", octets, publicKey),
  ed25519(octets, publicKey) {
    if (octetsOf(readDer(octets)).length !== ED25519_BYTES) throw new DerError("Length of an Ed25519 key");
    return { key: octets, point: publicKey };
  },
};

/** RFC 8017 3.2 and A.1.2. */
function checkRsa(octets: Der, publicKey: Der | null): Checked {
  const members = children(readDer(octets));
  const version = numberOf(child(readDer(octets), 0));
  if (version === 1 && members.length === MULTI_PRIME_MEMBERS) throw keyForm(MULTI_PRIME);
  if (version !== 0) throw new DerError("Version of an RSA key");
  const [n, e, d, p, q, dP, dQ, qInv] = members.slice(1).map(bigIntOf);
  if (n === undefined || e === undefined || d === undefined || p === undefined) throw new DerError("RSA");
  if (q === undefined || dP === undefined || dQ === undefined || qInv === undefined)
    throw new DerError("RSA");
  if (n >> BigInt(MAX_RSA_BITS)) throw keyForm(`The private key is RSA of more than ${MAX_RSA_BITS} bits`);
  const isSound =
    p > 1n &&
    q > 1n &&
    p * q === n &&
    (n & 1n) === 1n &&
    (e & 1n) === 1n &&
    e > 1n &&
    (e * d) % (p - 1n) === 1n % (p - 1n) &&
    (e * d) % (q - 1n) === 1n % (q - 1n) &&
    dP === d % (p - 1n) &&
    dQ === d % (q - 1n) &&
    (qInv * q) % p === 1n;
  if (!isSound) throw keyForm(DAMAGED);
  if (publicKey !== null && !equalBytes(publicKey, rsaPublicKey(octets))) throw keyForm(FOREIGN_PUBLIC_KEY);
  return { key: octets, point: null };
}

/** Returns the `RSAPublicKey` of an `RSAPrivateKey`. */
function rsaPublicKey(octets: Der): Der {
  const [, modulus, exponent] = children(readDer(octets));
  if (modulus === undefined || exponent === undefined) throw new DerError("RSA");
  return sequence(rawOf(modulus), rawOf(exponent));
}

/** RFC 5915 3. Some programs drop leading zeros of the number. */
function checkEc(curve: keyof typeof CURVES, octets: Der, outer: Der | null): Checked {
  const { bytes, order } = CURVES[curve];
  const node = readDer(octets);
  const number = octetsOf(child(node, 1));
  const value = BigInt(`0x0${number.toHex()}`);
  if (value === 0n || value >= order) throw keyForm(DAMAGED);
  const inner = children(node).find((one) => isContext(one, 1));
  const innerPoint = inner === undefined ? null : bitsOf(child(inner, 0));
  if (outer !== null && innerPoint !== null && !equalBytes(outer, innerPoint))
    throw keyForm(FOREIGN_PUBLIC_KEY);
  const given = innerPoint ?? outer;
  const padded = Uint8Array.fromHex(value.toString(16).padStart(2 * bytes, "0"));
  // Without the point: some runtimes would reject a foreign one as any damage, others would not look at it.
  const key = sequence(smallInteger(1), tlv(TAG.OCTET_STRING, padded));
  return { key, point: given?.[0] === UNCOMPRESSED ? given : null };
}

/**
 * Whether a `SubjectPublicKeyInfo` has the modulus and exponent of an RSA key. WebCrypto of Deno cannot import public keys
 * of more than 4096 bits.
 */
export function isRsaPair(pkcs8: Der, publicKey: Der): boolean {
  try {
    const [algorithm, bits] = children(readDer(publicKey));
    if (algorithm === undefined || bits === undefined) return false;
    const isRsa =
      child(algorithm, 0) instanceof ObjectIdentifier && RSA_OIDS.includes(oidOf(child(algorithm, 0)));
    return isRsa && equalBytes(bitsOf(bits), rsaPublicKey(octetsOf(child(readDer(pkcs8), 2))));
  } catch {
    return false;
  }
}
