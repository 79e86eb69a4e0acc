import type { BaseBlock } from "asn1js";
import { remember } from "../domain/cache.ts";
import { child, children, type Der, oidOf, rawOf, readDer } from "./der.ts";

/** Short names of RFC 4514 3 and of OpenSSL, by attribute type. */
const LABELS: Readonly<Record<string, string>> = {
  "2.5.4.3": "CN",
  "2.5.4.4": "SN",
  "2.5.4.5": "serialNumber",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "2.5.4.12": "title",
  "2.5.4.42": "GN",
  "0.9.2342.19200300.100.1.1": "UID",
  "0.9.2342.19200300.100.1.25": "DC",
  "1.2.840.113549.1.9.1": "emailAddress",
};
const MAX_CHARACTERS = 255;
const SPECIAL = /[,+"\\<>;]/g;
// Names come from a text that anyone may have issued, and reach responses and logs.
const UNSAFE = /[\p{Cc}\u2028\u2029]/gu;

/**
 * Returns a name as text, the most specific part first, such as `CN=Ann, O=Example`. At most 255 characters. It is
 * remembered, as all that can be costly in a hostile certificate, because a certificate is in many paths.
 */
export const nameText = remember((name: Der): string => {
  const parts = children(readDer(name)).map((part) =>
    children(part)
      .map((attribute) => `${label(attribute)}=${textOf(attribute).replace(SPECIAL, "\\$&")}`)
      .join("+"),
  );
  return printable(parts.toReversed().join(", "));
});

/** Returns at most 255 characters, without control characters. */
export function printable(text: string): string {
  return text.replace(UNSAFE, "\u{fffd}").slice(0, MAX_CHARACTERS);
}

/**
 * Returns the parts of a name such that equal ones are equal texts, whatever their case, blanks and string types
 * (RFC 5280 7.1).
 */
export const comparableName = remember((name: Der): readonly string[] =>
  children(readDer(name)).map((part) => children(part).map(comparableAttribute).toSorted().join("+")),
);
const comparableText = remember((name: Der) => comparableName(name).join());

export function isSameName(left: Der, right: Der): boolean {
  return comparableText(left) === comparableText(right);
}

function comparableAttribute(attribute: BaseBlock): string {
  const value = textOf(attribute).normalize("NFKC").trim().replace(/\s+/g, " ").toLowerCase();
  return `${oidOf(child(attribute, 0))}=${JSON.stringify(value)}`;
}

function label(attribute: BaseBlock): string {
  const type = oidOf(child(attribute, 0));
  return LABELS[type] ?? type;
}

/** Returns a string of any type as text, and other values as hexadecimal digits. */
function textOf(attribute: BaseBlock): string {
  const value = child(attribute, 1);
  const block: object = value.valueBlock;
  return "value" in block && typeof block.value === "string" ? block.value : `#${rawOf(value).toHex()}`;
}
