import { asciiHostName, canonicalIpv4, canonicalIpv6 } from "./network.ts";

const utf8 = new TextEncoder();

/** One mailbox (RFC 5322 3.4): an address and a display name. */
export interface Mailbox {
  /** Decoded display name. Empty if there is none. */
  readonly name: string;
  /** `local@domain`, domain in ASCII (A-labels) and lower case. */
  readonly address: string;
}

// RFC 5322 3.2.3 dot-atom, and any non-ASCII character (RFC 6532 3.2) that is neither a control nor a space.
const DOT_STRING = /^[\w!#$%&'*+/=?^`{|}~\u{a1}-\u{10ffff}-]+(\.[\w!#$%&'*+/=?^`{|}~\u{a1}-\u{10ffff}-]+)*$/u;
// RFC 5321 4.1.2 Quoted-string, and RFC 6531 3.3. No angle brackets, because some servers end a path at the first one.
const QUOTED_CONTENT = /^[ !-;=?-~\u{a1}-\u{10ffff}]+$/u;
const QUOTED_ADDRESS = /^"((?:[^"\\]|\\.)*)"@([^@]*)$/u;
const ATOM_ADDRESS = /^([^@"]*)@([^@]*)$/u;
/** The text before the first `<` outside quotes, and the text between it and the final `>`. */
const NAME_AND_ADDRESS = /^((?:"(?:[^"\\]|\\.)*"|[^"<])*)<(.*)>$/u;
/** Words and quoted strings (RFC 5322 3.2.5). A word may hold all but the specials, also full stops (RFC 5322 4.1). */
const PHRASE = /^(?:"(?:[^"\\]|\\.)*"|[^"<>()@,;:\\[\]])*$/u;
const QUOTED_STRING = /"((?:[^"\\]|\\.)*)"/gu;
const ADDRESS_LITERAL = /^\[(?:(IPv6:)([0-9a-f:.]+)|([\d.]+))\]$/i;
// Control characters, and the separators that some programs treat as line ends.
const UNSAFE = /[\p{Cc}\u2028\u2029]/u;

/** RFC 5321 4.5.3.1.1 and 4.5.3.1.3: 64 octets before the `@`, 254 in all. */
const MAX_LOCAL_PART_OCTETS = 64;
const MAX_ADDRESS_OCTETS = 254;
/**
 * The longest text of a header field. Postfix cuts a field at 102,400 octets, and on Node the regular expressions for
 * much longer texts exhaust the stack.
 */
export const MAX_FIELD_CHARACTERS = 100_000;

/**
 * Parses one mailbox: `user@example.org`, `Name <user@example.org>` or `"Quoted, name" <user@example.org>`, with blanks
 * around name and address. Returns `null` for lists, groups, comments and routes.
 */
export function parseMailbox(text: string): Mailbox | null {
  if (text.length > MAX_FIELD_CHARACTERS || UNSAFE.test(text)) return null;
  const [, rawName, rawAddress] = NAME_AND_ADDRESS.exec(text.trim()) ?? [];
  const address = parseAddress(rawAddress ?? text);
  const name = parseDisplayName((rawName ?? "").trim());
  return name === null || address === null ? null : { name, address };
}

/**
 * Parses a bare address, ignoring blanks around it. Returns its canonical form: international domains as A-labels
 * (RFC 5891), address literals by RFC 5321 4.1.3, the local part in NFC and quoted only if necessary.
 */
export function parseAddress(text: string): string | null {
  if (text.length > MAX_FIELD_CHARACTERS || UNSAFE.test(text)) return null;
  const trimmed = text.trim();
  const quoted = QUOTED_ADDRESS.exec(trimmed);
  const [, rawLocal, rawDomain] = quoted ?? ATOM_ADDRESS.exec(trimmed) ?? [];
  if (rawLocal === undefined || rawDomain === undefined) return null;
  const local = localPart(rawLocal.normalize("NFC"), quoted !== null);
  const domain = addressLiteral(rawDomain) ?? asciiHostName(rawDomain);
  if (local === null || domain === null || octets(local) > MAX_LOCAL_PART_OCTETS) return null;
  const address = `${local}@${domain}`;
  return octets(address) > MAX_ADDRESS_OCTETS ? null : address;
}

/** Returns the default From of a definition: `sender`, or `username` if `sender` is empty and `username` is an address. */
export function senderOf({
  sender,
  username,
}: {
  readonly sender: string;
  readonly username: string;
}): Mailbox | null {
  return parseMailbox(sender === "" ? username : sender);
}

/** Returns the addresses that a message goes to, each once: of `to`, `cc` and `bcc`, in this order. */
export function recipientsOf({
  to,
  cc = [],
  bcc = [],
}: {
  readonly to: readonly Mailbox[];
  readonly cc?: readonly Mailbox[] | undefined;
  readonly bcc?: readonly Mailbox[] | undefined;
}): readonly string[] {
  return [...new Set([...to, ...cc, ...bcc].map(({ address }) => address))];
}

/** Folds letter case, international domains and needless quotes: all spellings of an address have the same key. */
export function addressKey(address: string): string {
  return (parseAddress(address) ?? address).normalize("NFC").toLowerCase();
}

/** Returns the domain of an address, without the `@`. */
export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf("@") + 1);
}

function parseDisplayName(text: string): string | null {
  if (!PHRASE.test(text)) return null;
  return text.replace(QUOTED_STRING, (_, content: string) => unquoted(content));
}

function localPart(text: string, isQuoted: boolean): string | null {
  if (!isQuoted) return DOT_STRING.test(text) ? text : null;
  const content = unquoted(text);
  if (DOT_STRING.test(content)) return content;
  return QUOTED_CONTENT.test(content) ? `"${content.replace(/["\\]/g, "\\$&")}"` : null;
}

function unquoted(text: string): string {
  return text.replace(/\\(.)/gu, "$1");
}

/** RFC 5321 4.1.3. */
function addressLiteral(domain: string): string | null {
  const literal = ADDRESS_LITERAL.exec(domain);
  if (literal === null) return null;
  const [, tag, ipv6 = "", ipv4 = ""] = literal;
  const ip = tag === undefined ? canonicalIpv4(ipv4) : canonicalIpv6(ipv6);
  return ip && (tag === undefined ? `[${ip}]` : `[IPv6:${ip}]`);
}

function octets(text: string): number {
  return utf8.encode(text).length;
}
