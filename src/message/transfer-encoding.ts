import { encode, wrap } from "nodemailer/lib/qp";

type TransferEncoding = "7bit" | "quoted-printable" | "base64";

/** RFC 2045 6.7 (5) and 6.8. */
const MAX_LINE_CHARACTERS = 76;
const BASE64_LINE = /.{76}(?=.)/g;
/**
 * Text that a relay or a mailbox may change (RFC 2045 6.2, RFC 8551 3.1.3, RFC 2049 3): octets other than printable
 * ASCII, blanks at the end of a line, `From ` at its start, a line of one full stop, and long lines.
 */
const NOT_SEVEN_BIT = /[^\t\r\n\x20-\x7e]|[\t ](?=\r\n|$)|(?:^|\n)(?:From |\.(?=\r\n|$))|[^\r\n]{77}/;
/** mbox files escape `From ` at the start of a line, and some transports lose a leading full stop. */
const AT_LINE_START = /^(?:F(?=rom )|\.)/gm;
/** Each of the two escapes adds two characters to its line. */
const ESCAPE_GROWTH = 2;

const utf8 = new TextEncoder();

/** An encoded body and its `Content-Transfer-Encoding`. */
export interface EncodedBody {
  readonly encoding: TransferEncoding;
  /** ASCII lines of at most 76 characters with CRLF between. */
  readonly body: string;
}

/**
 * Encodes a text so that relays have no reason to rewrite it: 7bit if possible, otherwise quoted-printable, or base64
 * if the text is not ASCII and base64 is shorter.
 * @param text lines end in CRLF.
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
