import type { Der } from "./der.ts";

/** One block of a PEM text (RFC 7468). */
export interface PemBlock {
  /** Such as `PRIVATE KEY`. */
  readonly label: string;
  /** Whether the block has RFC 1421 header lines, such as `Proc-Type`. */
  readonly hasHeaders: boolean;
  /** `null` if the base64 is broken, or if there are header lines. */
  readonly der: Der | null;
}

const BEGIN = "-----BEGIN ";
const LABEL = /^([A-Z0-9 #-]{1,64}?)-----/;
const HEADER_LINE = /^[A-Za-z][A-Za-z0-9-]*:/m;

/**
 * Returns the blocks of a PEM text, in order. Allows text around them ("Bag Attributes"), CRLF, a byte order mark, and
 * line ends written as the two characters `\n`, as in environment variables.
 */
export function readPem(text: string): readonly PemBlock[] {
  const lines = text.replaceAll("\\r", "").replaceAll("\\n", "\n").replaceAll("\r", "\n");
  return lines.split(BEGIN).slice(1).flatMap(readBlock);
}

/** @param text the text after `-----BEGIN `, up to the next block. */
function readBlock(text: string): readonly PemBlock[] {
  const label = LABEL.exec(text)?.[1];
  if (label === undefined) return [];
  const start = label.length + "-----".length;
  const end = text.indexOf(`-----END ${label}-----`, start);
  const body = end < 0 ? "" : text.slice(start, end);
  const hasHeaders = HEADER_LINE.test(body);
  return [{ label, hasHeaders, der: hasHeaders ? null : fromBase64(body) }];
}

function fromBase64(text: string): Der | null {
  try {
    const bytes = Uint8Array.fromBase64(text);
    return bytes.length === 0 ? null : bytes;
  } catch {
    return null;
  }
}
