/** One mailbox (RFC 5322 3.4): an address and the name people see. */
export interface Mailbox {
  /** Display name, decoded; empty if there is none. */
  readonly name: string;
  /** `local@domain`, domain in ASCII (A-labels) and lower case. */
  readonly address: string;
}

// RFC 5322 3.2.3 atext, and any non-ASCII character (RFC 6532 3.2) that is neither a control nor a space.
const LOCAL_PART = /^[\w!#$%&'*+/=?^`{|}~\u{a1}-\u{10ffff}-]+(\.[\w!#$%&'*+/=?^`{|}~\u{a1}-\u{10ffff}-]+)*$/u;
const DOMAIN =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
const ADDRESS_LITERAL = /^\[(\d{1,3}(\.\d{1,3}){3}|IPv6:[0-9a-f:.]+)\]$/i;
// Control characters and the separators that some programs take for line ends.
const UNSAFE = /[\p{Cc}\u2028\u2029]/u;

/** RFC 5321 4.5.3.1.1 and 4.5.3.1.3: 64 octets before the `@`, 254 in all. */
const LOCAL_PART_OCTETS = 64;
const ADDRESS_OCTETS = 254;

/**
 * Reads one mailbox: `user@example.org`, `Name <user@example.org>` or `"Quoted, name" <user@example.org>`.
 * Lists, groups, comments, routes and quoted local parts are refused.
 * @returns null if the text is not one mailbox.
 */
export function parseMailbox(text: string): Mailbox | null {
  if (UNSAFE.test(text)) return null;
  const trimmed = text.trim();
  if (!trimmed.endsWith(">")) {
    const address = parseAddress(trimmed);
    return address === null ? null : { name: "", address };
  }
  const open = trimmed.lastIndexOf("<");
  if (open < 0) return null;
  const name = parseDisplayName(trimmed.slice(0, open).trim());
  const address = parseAddress(trimmed.slice(open + 1, -1));
  return name === null || address === null ? null : { name, address };
}

/** Reads a bare address. Internationalised domains become A-labels (RFC 5891); the local part stays as it is. */
export function parseAddress(text: string): string | null {
  const at = text.lastIndexOf("@");
  if (at < 1 || UNSAFE.test(text)) return null;
  const local = text.slice(0, at).normalize("NFC");
  const domain = asciiDomain(text.slice(at + 1));
  if (domain === null || !LOCAL_PART.test(local) || octets(local) > LOCAL_PART_OCTETS) return null;
  const address = `${local}@${domain}`;
  return octets(address) > ADDRESS_OCTETS ? null : address;
}

/** The domain of an address, without the `@`. */
export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf("@") + 1);
}

function parseDisplayName(text: string): string | null {
  const quoted = /^"((?:[^"\\]|\\.)*)"$/u.exec(text);
  if (quoted) return quoted[1]!.replace(/\\(.)/gu, "$1");
  return /["<>()@,;:\\[\]]/u.test(text) ? null : text;
}

function asciiDomain(domain: string): string | null {
  if (ADDRESS_LITERAL.test(domain)) return domain;
  const ascii = /^[\x20-\x7e]*$/.test(domain) ? domain.toLowerCase() : punycode(domain);
  return ascii !== null && DOMAIN.test(ascii) ? ascii : null;
}

/** WHATWG URL's host parser does UTS #46 on every runtime. */
function punycode(domain: string): string | null {
  if (/[\s/?#@:\\%[\]]/u.test(domain)) return null;
  try {
    return new URL(`http://${domain}`).hostname;
  } catch {
    return null;
  }
}

function octets(text: string): number {
  return new TextEncoder().encode(text).length;
}
