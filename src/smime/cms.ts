import { SIGNING_ALGORITHMS } from "./algorithms.ts";
import {
  concat,
  type Der,
  objectIdentifier,
  sequence,
  setOf,
  smallInteger,
  TAG,
  time,
  tlv,
  unsignedInteger,
} from "./der.ts";
import type { SigningIdentity } from "./identity.ts";

/** An identity with everything encoded that does not change from mail to mail. Keeps no passphrase. */
export interface Signer {
  readonly identity: SigningIdentity;
  /** `version`, `digestAlgorithms`, `encapContentInfo`, `certificates` of `SignedData`. */
  readonly signedDataHead: Der;
  /** `version`, `sid`, `digestAlgorithm` of `SignerInfo`. */
  readonly signerInfoHead: Der;
}

const VERSION_1 = smallInteger(1);
const ID_DATA = objectIdentifier("1.2.840.113549.1.7.1");
const ID_SIGNED_DATA = objectIdentifier("1.2.840.113549.1.7.2");
const ID_MESSAGE_DIGEST = objectIdentifier("1.2.840.113549.1.9.4");
const ID_SIGNING_TIME = objectIdentifier("1.2.840.113549.1.9.5");

const CONTENT_TYPE = attribute(objectIdentifier("1.2.840.113549.1.9.3"), ID_DATA);
/** RFC 8551 2.5.2, most wanted first: AES-256-GCM, AES-256-CBC, AES-128-CBC. */
const SMIME_CAPABILITIES = attribute(
  objectIdentifier("1.2.840.113549.1.9.15"),
  sequence(
    ...["2.16.840.1.101.3.4.1.46", "2.16.840.1.101.3.4.1.42", "2.16.840.1.101.3.4.1.2"].map((capability) =>
      sequence(objectIdentifier(capability)),
    ),
  ),
);

/** Encodes once what every signature of an identity shares. */
export function prepareSigner(identity: SigningIdentity): Signer {
  const { digestAlgorithm } = SIGNING_ALGORITHMS[identity.algorithm];
  const [signer] = identity.chain;
  if (signer === undefined) throw new TypeError("An identity without a certificate");
  const certificates = tlv(TAG.CONTEXT_0, ...identity.chain.map(({ der }) => der));
  const issuerAndSerialNumber = sequence(signer.issuer, signer.serialNumber);
  return {
    identity,
    signedDataHead: concat([VERSION_1, setOf(digestAlgorithm), sequence(ID_DATA), certificates]),
    signerInfoHead: concat([VERSION_1, issuerAndSerialNumber, digestAlgorithm]),
  };
}

/**
 * Makes a detached CMS signature (RFC 5652 5): `ContentInfo` with `SignedData`, certificates included.
 * @param content exactly the bytes that will be received: CRLF throughout.
 * @param date the signing time, in whole seconds.
 */
export async function signDetached(content: Der, signer: Signer, date: Date): Promise<Der> {
  const { algorithm, key } = signer.identity;
  const { digest, signParams, signatureAlgorithm, isEcdsa } = SIGNING_ALGORITHMS[algorithm];
  const messageDigest = new Uint8Array(await crypto.subtle.digest(digest, content));
  const attributes = setOf(
    CONTENT_TYPE,
    attribute(ID_SIGNING_TIME, time(date)),
    attribute(ID_MESSAGE_DIGEST, tlv(TAG.OCTET_STRING, messageDigest)),
    SMIME_CAPABILITIES,
  );
  const raw = new Uint8Array(await crypto.subtle.sign(signParams, key, attributes));
  const signature = tlv(TAG.OCTET_STRING, isEcdsa ? ecdsaSignature(raw) : raw);
  const signerInfo = sequence(signer.signerInfoHead, asImplicit(attributes), signatureAlgorithm, signature);
  const signedData = sequence(signer.signedDataHead, tlv(TAG.SET, signerInfo));
  return sequence(ID_SIGNED_DATA, tlv(TAG.CONTEXT_0, signedData));
}

function attribute(type: Der, value: Der): Der {
  return sequence(type, tlv(TAG.SET, value));
}

/** RFC 5652 5.4: signed as a SET OF, stored as `[0] IMPLICIT`. */
function asImplicit(set: Der): Der {
  const implicit = set.slice();
  implicit[0] = TAG.CONTEXT_0;
  return implicit;
}

/** RFC 5753 7.2: `ECDSA-Sig-Value`, from the two halves that WebCrypto gives. */
function ecdsaSignature(halves: Uint8Array): Der {
  const middle = halves.length / 2;
  return sequence(unsignedInteger(halves.subarray(0, middle)), unsignedInteger(halves.subarray(middle)));
}
