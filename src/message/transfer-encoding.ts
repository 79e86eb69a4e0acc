import { encode, wrap } from "nodemailer/lib/qp";

export type TransferEncoding = "7bit" | "quoted-printable" | "base64";

/** RFC 2045 6.7 (5) and 6.8. */
const MAX_LINE_CHARACTERS = 76;
const BASE64_LINE = /.{76}(?=.)/g;
/**
 * Text that something on its way may change (RFC 2045 6.2, RFC 8551 3.1.3, RFC 2049 3): other octets than printable ASCII, blanks at
 * the end of a line, `From ` at its beginning, a line of one full stop, and lines that are long.
 */
const NOT_SEVEN_BIT = /[^\t\r\n\x20-\x7e]|[\t ](?=\r\n|$)|(?:^|\n)(?:From |\.(?=\r\n|$))|[^\r\n]{77}/;
/** mboxes escape `From ` at the beginning of a line; transports once lost the stop. Two characters become four. */
const AT_LINE_START = /^(?:F(?=rom )|\.)/gm;
const ESCAPE_GROWTH = 2;

const utf8 = new TextEncoder();

/** A body as it stands in a message, and the `Content-Transfer-Encoding` that says how. */
export interface EncodedBody {
  readonly encoding: TransferEncoding;
  /** ASCII lines of at most 76 characters with CRLF between. */
  readonly body: string;
}

/**
 * Encodes a text so that nothing on its way has a reason to change it: readable as it is where it can be, else as
 * quoted-printable, or as base64 where that is shorter and the text is not ASCII anyway.
 * @param text its lines end in CRLF.
 */
export function encodeText(text: string): EncodedBody {
  if (!NOT_SEVEN_BIT.test(text)) return { encoding: "7bit", body: text };
  const octets = utf8.encode(text);
  const body = quotedPrintable(text);
  const isAscii = octets.length === text.length;
  if (isAscii || body.length <= base64Length(octets.length)) return { encoding: "quoted-printable", body };
  return encodeBytes(octets);
}

/** Encodes bytes of any kind. */
export function encodeBytes(bytes: Uint8Array): EncodedBody & { readonly encoding: "base64" } {
  return { encoding: "base64", body: bytes.toBase64().replace(BASE64_LINE, "$&\r\n") };
}

function quotedPrintable(text: string): string {
  const lines = wrap(encode(text), MAX_LINE_CHARACTERS - ESCAPE_GROWTH);
  return lines.replace(AT_LINE_START, (sign) => (sign === "F" ? "=46" : "=2E"));
}

function base64Length(octets: number): number {
  const characters = Math.ceil(octets / 3) * 4;
  return characters + 2 * Math.max(0, Math.ceil(characters / MAX_LINE_CHARACTERS) - 1);
}
