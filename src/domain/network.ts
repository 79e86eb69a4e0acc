import ipaddr from "ipaddr.js";
import { BoundedCache } from "./cache.ts";

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

/** `private` denies only {@link ALWAYS_DENIED}. `public` also denies private, loopback and reserved addresses. */
export type EgressMode = "private" | "public";

/** The targets that mail may go to. */
export interface EgressPolicy {
  readonly egress: EgressMode;
  /** Ports that mail may be sent to. Empty: any port. */
  readonly ports: readonly number[];
}

/** Addresses that no mail server has: link-local, cloud metadata, multicast, unspecified, broadcast. */
const ALWAYS_DENIED = [
  "0.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/4",
  "255.255.255.255/32",
  "::/128",
  "fe80::/10",
  "ff00::/8",
  // Metadata services outside link-local: Alibaba, Oracle, Azure, then EC2 and Google over IPv6.
  "100.100.100.200/32",
  "192.0.0.192/32",
  "168.63.129.16/32",
  "fd00:ec2::254/128",
  "fd20:ce::254/128",
];

interface Embedding {
  readonly range: string;
  /** Index of the first of the two 16-bit groups that hold the IPv4 address. */
  readonly group: number;
  /** RFC 4380 4: Teredo inverts the bits of the IPv4 address. */
  readonly inverted?: true;
}

/** IPv6 ranges that embed an IPv4 address, to which the policy applies. */
const EMBEDDINGS: readonly Embedding[] = [
  // RFC 4291 2.5.5.2 IPv4-mapped, 2.5.5.1 IPv4-compatible; RFC 2765 2.1 translated.
  { range: "::ffff:0:0/96", group: 6 },
  { range: "::ffff:0:0:0/96", group: 6 },
  { range: "::/96", group: 6 },
  // RFC 6052 2.1 and RFC 8215: NAT64.
  { range: "64:ff9b::/96", group: 6 },
  { range: "64:ff9b:1::/48", group: 6 },
  // RFC 3056 2: 6to4.
  { range: "2002::/16", group: 1 },
  { range: "2001::/32", group: 6, inverted: true },
];

/** Whether mail may be sent to a port of a host. A name is allowed: its addresses are checked once they are known. */
export function isTargetAllowed(host: string, port: number, { egress, ports }: EgressPolicy): boolean {
  const isName = !host.includes(":") && canonicalIpv4(host) === null;
  return (ports.length === 0 || ports.includes(port)) && (isName || isEgressAllowed(host, egress));
}

/** Whether mail may be sent to an IP address. Any other text is denied. */
export function isEgressAllowed(address: string, mode: EgressMode): boolean {
  const [bare = ""] = address.split("%");
  if (!ipaddr.isValid(bare)) return false;
  const outer = ipaddr.parse(bare);
  if (isIn(outer, "::1/128")) return mode === "private";
  const inner = embedded(outer);
  return isPermitted(outer, "private") && isPermitted(inner, mode);
}

function isPermitted(address: Ip, mode: EgressMode): boolean {
  if (ALWAYS_DENIED.some((range) => isIn(address, range))) return false;
  return mode === "private" || address.range() === "unicast";
}

function embedded(address: Ip): Ip {
  if (address.kind() === "ipv4") return address;
  const embedding = EMBEDDINGS.find(({ range }) => isIn(address, range));
  if (embedding === undefined) return address;
  const start = embedding.group * 2;
  const octets = address.toByteArray().slice(start, start + 4);
  return new ipaddr.IPv4(embedding.inverted ? octets.map((octet) => octet ^ 0xff) : octets);
}

/** Parses the range only now: at start, the errors of a parser would have V8 read the script of a Worker once more. */
function isIn(address: Ip, range: string): boolean {
  const [base = "", bits] = range.split("/");
  const isIpv6 = base.includes(":");
  if (address.kind() === "ipv6") return isIpv6 && address.match(ipaddr.IPv6.parse(base), Number(bits));
  return !isIpv6 && address.match(ipaddr.IPv4.parse(base), Number(bits));
}
