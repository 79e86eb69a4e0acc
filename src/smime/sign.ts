import { SIGNING_ALGORITHMS } from "./algorithms.ts";
import { attribute, ID_DATA, signerAttributes } from "./attributes.ts";
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

/** A signing identity, with the parts encoded that all its signatures share. Keeps no passphrase. */
export interface Signer {
  readonly identity: SigningIdentity;
  /** `version`, `digestAlgorithms`, `encapContentInfo`, `certificates` of `SignedData`. */
  readonly signedDataHead: Der;
  /** `version`, `sid`, `digestAlgorithm` of `SignerInfo`. */
  readonly signerInfoHead: Der;
  /** The signed attributes that do not depend on the message. */
  readonly attributes: readonly Der[];
}

/** RFC 2046 5.1.1, without the characters that need special care. */
const BOUNDARY = /^[A-Za-z0-9'+_./=?-]{1,70}$/;
/** RFC 2045 6.8. */
const BASE64_LINE = /.{76}(?=.)/g;

const VERSION_1 = smallInteger(1);
const ID_SIGNED_DATA = objectIdentifier("1.2.840.113549.1.7.2");
const ID_MESSAGE_DIGEST = objectIdentifier("1.2.840.113549.1.9.4");
const ID_SIGNING_TIME = objectIdentifier("1.2.840.113549.1.9.5");

const ascii = new TextEncoder();
const latin1 = new TextDecoder("latin1");

/** Encodes the parts that all signatures of an identity share. */
export async function prepareSigner(identity: SigningIdentity): Promise<Signer> {
  const { digestAlgorithm } = SIGNING_ALGORITHMS[identity.algorithm];
  const [signer] = identity.chain;
  if (signer === undefined) throw new TypeError("An identity without a certificate");
  const certificates = tlv(TAG.CONTEXT_0, ...identity.chain.map(({ der }) => der));
  const issuerAndSerialNumber = sequence(signer.issuer, signer.serialNumber);
  return {
    identity,
    signedDataHead: concat([VERSION_1, setOf(digestAlgorithm), sequence(ID_DATA), certificates]),
    signerInfoHead: concat([VERSION_1, issuerAndSerialNumber, digestAlgorithm]),
    attributes: await signerAttributes(signer),
  };
}

/**
 * Signs a MIME entity: `multipart/signed` with `smime.p7s` (RFC 8551 3.5.3).
 * @param entity `Content-*` fields, empty line, body: 7 bit, with CRLF throughout, exactly as the recipient gets it.
 * @param options `date`: the signing time. `boundary`: the delimiter, which must not occur in the entity.
 * @returns the signed entity: header and both parts, ending in CRLF.
 * @throws {TypeError} for a boundary that is malformed or occurs in the entity.
 */
export async function signEntity(
  entity: Der,
  signer: Signer,
  { date, boundary }: { readonly date: Date; readonly boundary: string },
): Promise<Der> {
  if (!BOUNDARY.test(boundary)) throw new TypeError("Boundary is malformed");
  if (latin1.decode(entity).includes(`--${boundary}`)) throw new TypeError("Boundary occurs in the entity");
  const signature = await signDetached(entity, signer, date);
  const { micalg } = SIGNING_ALGORITHMS[signer.identity.algorithm];
  const head = [
    'Content-Type: multipart/signed; protocol="application/pkcs7-signature";',
    ` micalg=${micalg}; boundary="${boundary}"`,
    "",
    `--${boundary}`,
    "",
  ];
  // The line break before a delimiter belongs to the delimiter, not to the signed part (RFC 2046 5.1.1).
  const tail = [
    "",
    `--${boundary}`,
    'Content-Type: application/pkcs7-signature; name="smime.p7s"',
    "Content-Transfer-Encoding: base64",
    'Content-Disposition: attachment; filename="smime.p7s"',
    "",
    base64Lines(signature),
    `--${boundary}--`,
    "",
  ];
  return concat([ascii.encode(head.join("\r\n")), entity, ascii.encode(tail.join("\r\n"))]);
}

/**
 * Creates a detached CMS signature (RFC 5652 5): `ContentInfo` with `SignedData`, certificates included. Only the
 * attributes and the signature are computed per message.
 */
async function signDetached(content: Der, signer: Signer, date: Date): Promise<Der> {
  const { algorithm, key } = signer.identity;
  const { digest, signParams, signatureAlgorithm, isEcdsa } = SIGNING_ALGORITHMS[algorithm];
  const messageDigest = new Uint8Array(await crypto.subtle.digest(digest, content));
  const attributes = setOf(
    attribute(ID_SIGNING_TIME, time(date)),
    attribute(ID_MESSAGE_DIGEST, tlv(TAG.OCTET_STRING, messageDigest)),
    ...signer.attributes,
  );
  const raw = new Uint8Array(await crypto.subtle.sign(signParams, key, attributes));
  const signature = tlv(TAG.OCTET_STRING, isEcdsa ? ecdsaSignature(raw) : raw);
  const signerInfo = sequence(signer.signerInfoHead, asImplicit(attributes), signatureAlgorithm, signature);
  const signedData = sequence(signer.signedDataHead, tlv(TAG.SET, signerInfo));
  return sequence(ID_SIGNED_DATA, tlv(TAG.CONTEXT_0, signedData));
}

/** RFC 5652 5.4: the attributes are signed as a SET OF and stored as `[0] IMPLICIT`. */
function asImplicit(set: Der): Der {
  const implicit = set.slice();
  implicit[0] = TAG.CONTEXT_0;
  return implicit;
}

/** Encodes `ECDSA-Sig-Value` (RFC 5753 7.2) from r and s, which WebCrypto concatenates. */
function ecdsaSignature(halves: Uint8Array): Der {
  const middle = halves.length / 2;
  return sequence(unsignedInteger(halves.subarray(0, middle)), unsignedInteger(halves.subarray(middle)));
}

/** Encodes bytes as lines of base64 with CRLF between. */
export function base64Lines(bytes: Uint8Array): string {
  return bytes.toBase64().replace(BASE64_LINE, "$&\r\n");
}
