import type { Delivery } from "../../contracts/transport.ts";
import { inspectBytes } from "../../domain/message.ts";
import type { MessageTransfer } from "../../smtp/transaction.ts";

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
  return { from, recipient, bytes, ...inspectBytes(bytes) };
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
