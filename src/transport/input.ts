import type { Delivery } from "../contracts/transport.ts";

const CR = 0x0d;
const LF = 0x0a;
const NUL = 0x00;

/** RFC 5321 4.5.3.1.6: 1000 octets a text line, CRLF included. */
const LINE_OCTETS = 998;

// What ends a path, a command or an argument: controls, spaces, angle brackets, and separators that some take for line ends.
const UNSAFE_IN_PATH = /[\p{Cc}\s<>\u2028\u2029]/u;
// RFC 5321 4.1.2: inside a quoted local part a space ends nothing.
const QUOTED_LOCAL_PART = /^"(?:[^"\\]|\\.)*"(?=@)/u;

/** What the envelope has to announce about the bytes. */
export interface Inspection {
  /** Some octet is above 127 (RFC 6152). */
  readonly eightBit: boolean;
}

/**
 * Holds a delivery to what SMTP can carry.
 * @throws {TypeError} for a path with controls, spaces or angle brackets, for bytes with a bare CR or LF, a NUL,
 * a line over 998 octets, or without a final CRLF, and for credentials that hold a NUL.
 */
export function inspectDelivery(delivery: Delivery): Inspection {
  const { from, recipient, server, bytes } = delivery;
  if (isUnsafePath(from)) throw new TypeError('"from" holds a character that no reverse-path may hold');
  if (recipient === "" || isUnsafePath(recipient)) {
    throw new TypeError('"recipient" is empty or holds a character that no forward-path may hold');
  }
  // RFC 4616 2: NUL separates the fields of PLAIN.
  if (server.username.includes("\0") || server.password.reveal().includes("\0")) {
    throw new TypeError('"username" and "password" cannot hold a NUL');
  }
  return inspectBytes(bytes);
}

function isUnsafePath(path: string): boolean {
  return UNSAFE_IN_PATH.test(path.replace(QUOTED_LOCAL_PART, (quoted) => quoted.replaceAll(" ", "")));
}

function inspectBytes(bytes: Uint8Array): Inspection {
  let lineStart = 0;
  let eightBit = false;
  let previous = -1;
  for (let at = 0; at < bytes.length; at++) {
    const octet = bytes[at] ?? NUL;
    if (octet > 127) eightBit = true;
    if (octet === NUL) throw new TypeError('"bytes" holds a NUL');
    if ((octet === LF) !== (previous === CR)) throw new TypeError('"bytes" holds a bare CR or LF');
    if (octet === LF) {
      if (at - 1 - lineStart > LINE_OCTETS) throw new TypeError('"bytes" holds a line over 998 octets');
      lineStart = at + 1;
    }
    previous = octet;
  }
  if (previous !== LF) throw new TypeError('"bytes" does not end in CRLF');
  return { eightBit };
}
