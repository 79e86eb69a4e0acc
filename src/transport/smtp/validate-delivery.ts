import type { Delivery } from "../../contracts/transport.ts";
import type { MessageTransfer } from "../../smtp/transaction.ts";

const CR = 0x0d;
const LF = 0x0a;
const NUL = 0x00;

/** RFC 5321 4.5.3.1.6: a text line has at most 1000 octets, including CRLF. */
const MAX_LINE_OCTETS = 998;

/** A quoted local part may hold blanks and angle brackets (RFC 5321 4.1.2). The rest of a path must not. */
const QUOTED_LOCAL_PART = /^"(?:[^"\\\p{Cc}]|\\[ -~])*"@/u;
/** Characters that end a path, an argument or a command. Some servers take the two separators for line ends. */
const UNSAFE_IN_PATH = /[\p{Cc}\s<>\u2028\u2029]/u;
const UNSAFE_IN_QUOTES = /[\p{Cc}\u2028\u2029]/u;

/**
 * Validates that SMTP can carry a delivery.
 * @throws {TypeError} for a path with controls, blanks or angle brackets outside a quoted local part, for bytes with a
 * bare CR or LF, a NUL, a line of more than 998 octets, or without a final CRLF, and for credentials with a NUL.
 */
export function validateDelivery(delivery: Delivery): MessageTransfer {
  const { from, recipient, bytes } = delivery;
  validateCheck(delivery);
  if (recipient === "") throw new TypeError('"recipient" is empty');
  return { from, recipient, bytes, ...validateBytes(bytes) };
}

/**
 * Validates the paths and credentials of a check, which has no message.
 * @throws {TypeError} as {@link validateDelivery}.
 */
export function validateCheck({ from, recipient, server }: Delivery): void {
  if (!isSafePath(from)) throw new TypeError('"from" holds a character that no reverse-path may hold');
  if (!isSafePath(recipient)) {
    throw new TypeError('"recipient" holds a character that no forward-path may hold');
  }
  const { username, password } = server;
  // RFC 4616 2: NUL separates the fields of AUTH PLAIN. Without a username there is no login.
  if (username !== "" && `${username}${password.reveal()}`.includes("\0")) {
    throw new TypeError('"username" and "password" cannot hold a NUL');
  }
}

function isSafePath(path: string): boolean {
  const [quoted = ""] = QUOTED_LOCAL_PART.exec(path) ?? [];
  return !UNSAFE_IN_QUOTES.test(quoted) && !UNSAFE_IN_PATH.test(path.slice(quoted.length));
}

/** @returns whether some octet is above 127 (RFC 6152), and whether one in the header section is. */
function validateBytes(bytes: Uint8Array): Pick<MessageTransfer, "eightBit" | "utf8Headers"> {
  let lineStart = 0;
  let isHeader = true;
  let [eightBit, utf8Headers] = [false, false];
  let previous = -1;
  for (let index = 0; index < bytes.length; index++) {
    const octet = bytes[index] ?? NUL;
    if (octet > 127) {
      eightBit = true;
      utf8Headers ||= isHeader;
    }
    if (octet === NUL) throw new TypeError('"bytes" holds a NUL');
    if ((octet === LF) !== (previous === CR)) throw new TypeError('"bytes" holds a bare CR or LF');
    if (octet === LF) {
      if (index - 1 - lineStart > MAX_LINE_OCTETS)
        throw new TypeError('"bytes" holds a line over 998 octets');
      // RFC 5322 2.1: an empty line ends the header section.
      if (index - 1 === lineStart) isHeader = false;
      lineStart = index + 1;
    }
    previous = octet;
  }
  if (previous !== LF) throw new TypeError('"bytes" does not end in CRLF');
  return { eightBit, utf8Headers };
}
