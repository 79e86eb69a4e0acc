import { SIGNING_ALGORITHMS } from "./algorithms.ts";
import { type Signer, signDetached } from "./cms.ts";
import { concat, type Der } from "./der.ts";

/** RFC 2046 5.1.1, narrowed to what needs no thought. */
const BOUNDARY = /^[A-Za-z0-9'+_./=?-]{1,70}$/;
/** RFC 2045 6.8. */
const BASE64_LINE = /.{76}(?=.)/g;

const ascii = new TextEncoder();
const latin1 = new TextDecoder("latin1");

/**
 * Signs a MIME entity: `multipart/signed` with `smime.p7s` (RFC 8551 3.5.3).
 * @param entity `Content-*` fields, empty line, body; CRLF throughout, 7 bit, as it will be received.
 * @param options `date`: the signing time; `boundary`: a delimiter that no line of the entity begins with.
 * @returns an entity again: header and both parts, ending in CRLF.
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
  // The line break before a delimiter belongs to the delimiter, not to what was signed (RFC 2046 5.1.1).
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

function base64Lines(bytes: Uint8Array): string {
  return bytes.toBase64().replace(BASE64_LINE, "$&\r\n");
}
