import { type CidrBlock, canonicalIp } from "../domain/network.ts";

/**
 * Returns the canonical address of the client: the peer, or the address that trusted proxies name in `X-Forwarded-For`,
 * read from the right. `null` if it is unknown, or if a trusted proxy wrote something other than an address.
 * @param peer address of the other end of the connection; `null` if it is unknown
 */
export function clientAddress(
  peer: string | null,
  forwardedFor: string | undefined,
  trusted: readonly CidrBlock[],
): string | null {
  const isTrusted = (address: string) => trusted.some((block) => block.contains(address));
  let client = peer === null ? null : canonicalIp(peer);
  const hops = forwardedFor === undefined ? [] : forwardedFor.split(",");
  while (client !== null && isTrusted(client)) {
    const hop = hops.pop();
    if (hop === undefined) return client;
    client = canonicalIp(hop.trim());
  }
  return client;
}
