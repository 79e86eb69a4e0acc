import { type BaseBlock, ObjectIdentifier, Sequence } from "asn1js";
import type { PssAlgorithm } from "./algorithms.ts";
import {
  child,
  children,
  type Der,
  isContext,
  numberOf,
  objectIdentifier,
  oidOf,
  rawOf,
  readDer,
  sequence,
  TAG,
  tlv,
} from "./der.ts";
import { keyForm } from "./problem.ts";

export const OID_RSA = "1.2.840.113549.1.1.1";
export const OID_RSA_PSS = "1.2.840.113549.1.1.10";
export const OID_RSAES_OAEP = "1.2.840.113549.1.1.7";
const OID_MGF1 = "1.2.840.113549.1.1.8";
/** `AlgorithmIdentifier` of rsaEncryption. */
export const RSA_ENCRYPTION = sequence(objectIdentifier(OID_RSA), tlv(TAG.NULL));

/** The digests, their lengths in octets, and the signature by each. */
const DIGESTS: Readonly<Record<string, { readonly octets: number; readonly algorithm: PssAlgorithm }>> = {
  "2.16.840.1.101.3.4.2.1": { octets: 32, algorithm: "pss256" },
  "2.16.840.1.101.3.4.2.2": { octets: 48, algorithm: "pss384" },
  "2.16.840.1.101.3.4.2.3": { octets: 64, algorithm: "pss512" },
};

/**
 * Returns a key of RSASSA-PSS or RSAES-OAEP as one of rsaEncryption, because WebCrypto imports only these. Other keys stay
 * as they are.
 * @param info `PrivateKeyInfo` or `SubjectPublicKeyInfo`.
 */
export function asRsaEncryption(info: Der): Der {
  const parts = children(readDer(info));
  const isRestricted = (part: BaseBlock) => names(part, OID_RSA_PSS) || names(part, OID_RSAES_OAEP);
  if (!parts.some(isRestricted)) return info;
  return sequence(...parts.map((part) => (isRestricted(part) ? RSA_ENCRYPTION : rawOf(part))));
}

/**
 * Returns the only signature that a key of RSASSA-PSS allows; `null` for a key of another kind.
 * @param info `PrivateKeyInfo` or `SubjectPublicKeyInfo`.
 * @throws {IdentityError} if its parameters allow none of SHA-256, SHA-384 and SHA-512 with a salt of that length.
 */
export function requiredPss(info: Der): PssAlgorithm | null {
  const identifier = children(readDer(info)).find((part) => names(part, OID_RSA_PSS));
  if (identifier === undefined) return null;
  const parameters = children(identifier)[1];
  // RFC 4055 3.1: without parameters, a key allows all of them.
  if (parameters === undefined) return "pss256";
  const field = (n: number) => children(parameters).find((node) => isContext(node, n));
  const [hash, mask, salt] = [field(0), field(1), field(2)];
  const digest = hash && DIGESTS[oidOf(child(child(hash, 0), 0))];
  const saltOctets = salt === undefined ? 0 : numberOf(child(salt, 0));
  if (!digest || !hash || !isMaskBy(mask, hash) || saltOctets > digest.octets) {
    throw keyForm(
      "The RSASSA-PSS parameters of the key are not supported. Create a key for SHA-256, starting with: " +
        "openssl genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out key.pem",
    );
  }
  return digest.algorithm;
}

/** Whether a value is the `AlgorithmIdentifier` of this algorithm. */
function names(part: BaseBlock, algorithm: string): boolean {
  if (!(part instanceof Sequence)) return false;
  const [oid] = children(part);
  return oid instanceof ObjectIdentifier && oidOf(oid) === algorithm;
}

/** WebCrypto uses one hash for the message and for MGF1. */
function isMaskBy(mask: BaseBlock | undefined, hash: BaseBlock): boolean {
  if (mask === undefined) return false;
  const [oid, parameters] = children(child(mask, 0));
  if (oid === undefined || parameters === undefined) return false;
  return oidOf(oid) === OID_MGF1 && oidOf(child(parameters, 0)) === oidOf(child(child(hash, 0), 0));
}
