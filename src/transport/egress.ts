import ipaddr from "ipaddr.js";

/** `private` denies only {@link ALWAYS_DENIED}. `public` also denies private, loopback and reserved addresses. */
export type EgressMode = "private" | "public";

type Address = ipaddr.IPv4 | ipaddr.IPv6;

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

/** Whether mail may be sent to an IP address. Any other text is denied. */
export function isEgressAllowed(address: string, mode: EgressMode): boolean {
  const [bare = ""] = address.split("%");
  if (!ipaddr.isValid(bare)) return false;
  const outer = ipaddr.parse(bare);
  if (isIn(outer, "::1/128")) return mode === "private";
  const inner = embedded(outer);
  return isPermitted(outer, "private") && isPermitted(inner, mode);
}

function isPermitted(address: Address, mode: EgressMode): boolean {
  if (ALWAYS_DENIED.some((range) => isIn(address, range))) return false;
  return mode === "private" || address.range() === "unicast";
}

function embedded(address: Address): Address {
  if (address.kind() === "ipv4") return address;
  const embedding = EMBEDDINGS.find(({ range }) => isIn(address, range));
  if (embedding === undefined) return address;
  const start = embedding.group * 2;
  const octets = address.toByteArray().slice(start, start + 4);
  return new ipaddr.IPv4(embedding.inverted ? octets.map((octet) => octet ^ 0xff) : octets);
}

/** Parses the range only now: at start, the errors of a parser would have V8 read the script of a Worker once more. */
function isIn(address: Address, range: string): boolean {
  const [base = "", bits] = range.split("/");
  const isIpv6 = base.includes(":");
  if (address.kind() === "ipv6") return isIpv6 && address.match(ipaddr.IPv6.parse(base), Number(bits));
  return !isIpv6 && address.match(ipaddr.IPv4.parse(base), Number(bits));
}
