import { type CidrBlock, canonicalIp } from "../domain/network.ts";

/**
 * The address a request comes from: the peer, or what trusted proxies say in `X-Forwarded-For`, read from the right.
 * @param peer address of the other end of the connection; null if unknown.
 * @returns the canonical address; null if it is unknown or a trusted proxy wrote something that is no address.
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
