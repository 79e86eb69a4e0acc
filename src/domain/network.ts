import ipaddr from "ipaddr.js";
import { BoundedCache } from "./bounded-cache.ts";

/** RFC 6890: loopback addresses, and the name that RFC 6761 6.3 reserves for them, as `URL` writes them. */
const LOOPBACK = /^(127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/;

/** A parsed CIDR block. It treats IPv4-mapped IPv6 addresses as IPv4. */
export interface CidrBlock {
  contains(address: string): boolean;
}

/** Parses an IP address or a CIDR block. Returns `null` for anything else. */
export function parseCidr(text: string): CidrBlock | null {
  const [base, bits, rest] = text.split("/");
  if (rest !== undefined || base === undefined || !ipaddr.isValid(base) || !isPlainForm(base)) return null;
  const network = ipaddr.process(base);
  const widest = network.kind() === "ipv4" ? 32 : 128;
  if (bits !== undefined && !/^\d{1,3}$/.test(bits)) return null;
  const prefix = bits === undefined ? widest : Number(bits);
  if (prefix > widest) return null;
  return {
    contains(address) {
      const parsed = parseIp(address);
      return parsed !== null && parsed.kind() === network.kind() && parsed.match(network, prefix);
    },
  };
}

/** Returns the canonical text of an IP address, or `null`. IPv4-mapped forms become IPv4. */
export function canonicalIp(address: string): string | null {
  return parseIp(address)?.toString() ?? null;
}

/** Returns the canonical text of an IPv4 address in dotted decimal form, or `null`. */
export function canonicalIpv4(address: string): string | null {
  return ipaddr.IPv4.isValidFourPartDecimal(address) ? ipaddr.IPv4.parse(address).toString() : null;
}

/** Returns the canonical text of an IPv6 address without a zone (RFC 5952), or `null`. IPv4-mapped forms stay IPv6. */
export function canonicalIpv6(address: string): string | null {
  const isZoneless = address.includes(":") && !address.includes("%");
  return isZoneless && ipaddr.IPv6.isValid(address) ? ipaddr.IPv6.parse(address).toRFC5952String() : null;
}

/**
 * Returns the rate-limit key of a client: its IPv4 address, or its IPv6 /64, because a client can use any address of its
 * /64 (RFC 6177).
 */
export function clientNetwork(address: string): string {
  const parsed = parseIp(address);
  if (!(parsed instanceof ipaddr.IPv6)) return address;
  const prefix = parsed.parts.slice(0, 4).map((part) => part.toString(16));
  return `${prefix.join(":")}::/64`;
}

/**
 * Returns what the client networks of one site have in common: an IPv4 /24, or an IPv6 /48 (RFC 6177). Another key is
 * its own.
 */
export function siteOf(network: string): string {
  const separator = network.endsWith("::/64") ? ":" : ".";
  return network.split(separator, 3).join(separator);
}

type Ip = ipaddr.IPv4 | ipaddr.IPv6;

/** A request asks several times for the address of its client, and a client sends many requests. */
const parsedIps = new BoundedCache<Ip>(1_000);

function parseIp(address: string): Ip | null {
  const cached = parsedIps.get(address);
  if (cached) return cached;
  if (!ipaddr.isValid(address) || !isPlainForm(address)) return null;
  const parsed = ipaddr.process(address);
  parsedIps.set(address, parsed);
  return parsed;
}

/** Excludes the historic forms `10`, `0x7f.1` and `010.0.0.1`, which ipaddr.js accepts but users never mean. */
function isPlainForm(address: string): boolean {
  return address.includes(":") || ipaddr.IPv4.isValidFourPartDecimal(address);
}

/** RFC 1035 2.3.4: labels of at most 63 octets, 253 in all. Names in local networks may have underscores. */
const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
// Characters that end the host in a URL. The URL parser must get only a host.
const URL_SYNTAX = /[\s/?#@:\\%[\]]/u;
const ADDED_LABEL = ".x";

/**
 * Returns a host name in its DNS form: lower case, international labels as A-labels (RFC 5890) by non-transitional
 * UTS #46, which keeps `faß` and `fass` apart. Returns `null` for anything else, such as a name with a final dot.
 */
export function asciiHostName(text: string): string | null {
  const ascii = /^[\x21-\x7e]*$/.test(text) ? text.toLowerCase() : toAscii(text);
  return ascii !== null && HOST_NAME.test(ascii) ? ascii : null;
}

/** The host parser of WHATWG URL applies UTS #46 on every runtime. */
function toAscii(text: string): string | null {
  if (URL_SYNTAX.test(text)) return null;
  // UTS #46 maps the capital letter to ß since Unicode 15.1; the older tables of workerd map it to "ss".
  const name = text.replaceAll("ẞ", "ß");
  // The added label keeps the parser from reading full-width digits as one of the historic forms of an IPv4 address.
  return URL.parse(`http://${name}${ADDED_LABEL}`)?.hostname.slice(0, -ADDED_LABEL.length) ?? null;
}

/**
 * Whether a URL may be requested with secrets: https, or http on a loopback address, for tests. Without user and
 * fragment.
 */
export function isSafeUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.username !== "" || url.password !== "" || text.includes("#")) return false;
  return url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.test(url.hostname));
}

/** Ranges of addresses that say nothing to a server. */
const LOCAL_RANGES = ["linkLocal", "loopback", "unspecified"];

/**
 * Returns the name that a host gives in EHLO: its full name, or the literal of one of its addresses (RFC 5321 4.1.3 and
 * 4.1.4). It prefers IPv4, then IPv6 addresses that are not unique local (RFC 4193).
 */
export function ehloNameOf(host: string, addresses: readonly string[]): string {
  const name = asciiHostName(host);
  if (name?.includes(".")) return name;
  const all = addresses.map(parseIp).filter((ip) => ip !== null);
  const outer = all.filter((ip) => !LOCAL_RANGES.includes(ip.range()));
  const isIpv4 = (ip: Ip) => ip.kind() === "ipv4";
  const isGlobal = (ip: Ip) => ip.range() !== "uniqueLocal";
  const best = outer.find(isIpv4) ?? outer.find(isGlobal) ?? outer[0] ?? all.find(isIpv4);
  return best?.kind() === "ipv6" ? `[IPv6:${best}]` : `[${best ?? "127.0.0.1"}]`;
}
