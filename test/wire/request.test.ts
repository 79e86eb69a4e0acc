import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseCidr } from "../../src/domain/network.ts";
import { clientAddress } from "../../src/wire/request.ts";

const blocks = (...texts: readonly string[]) => texts.flatMap((text) => parseCidr(text) ?? []);
const PROXIES = blocks("10.0.0.0/8", "fd00::/8");

describe("clientAddress()", () => {
  test.each<[name: string, peer: string | null, forwarded: string | undefined, client: string | null]>([
    ["a peer", "192.0.2.1", undefined, "192.0.2.1"],
    ["no peer", null, "198.51.100.1", null],
    ["a peer that is no address", "unix:", undefined, null],
    ["a header from a stranger", "192.0.2.1", "198.51.100.1", "192.0.2.1"],
    ["a header from a proxy", "10.0.0.1", "198.51.100.1", "198.51.100.1"],
    ["a proxy alone", "10.0.0.1", undefined, "10.0.0.1"],
    ["what a client wrote before the proxy did", "10.0.0.1", "203.0.113.9, 198.51.100.1", "198.51.100.1"],
    ["a chain of proxies", "10.0.0.1", "198.51.100.1, 10.0.0.3 ,10.0.0.2", "198.51.100.1"],
    ["only proxies", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"],
    ["garbage from a proxy", "10.0.0.1", "198.51.100.1, unknown", null],
    ["an empty header from a proxy", "10.0.0.1", "", null],
    ["an address with a port", "10.0.0.1", "198.51.100.1:4711", "198.51.100.1"],
    ["an IPv6 address with a port", "10.0.0.1", "[2001:DB8::1]:443", "2001:db8::1"],
    ["a proxy with a port", "10.0.0.1", "198.51.100.1, 10.0.0.2:8080", "198.51.100.1"],
    ["a port that is no number", "10.0.0.1", "198.51.100.1:https", null],
    ["a host name with a port", "10.0.0.1", "example.org:443", null],
    ["an IPv6 address in brackets that is none", "10.0.0.1", "[198.51.100.1:443", null],
    ["an IPv4-mapped proxy", "::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"],
    ["an IPv6 proxy and client", "fd00::1", "2001:DB8::1", "2001:db8::1"],
  ])("of %s", (_, peer, forwarded, client) => {
    expect(clientAddress(peer, forwarded, PROXIES)).toBe(client);
  });

  test("is the peer if no proxy is trusted, regardless of the headers", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.string(), (peer, header) => {
        expect(clientAddress(peer, header, [])).toBe(peer);
      }),
    );
  });

  test("ignores everything left of the first address that is not a proxy", () => {
    const stranger = fc.ipV4().filter((address) => !address.startsWith("10."));
    fc.assert(
      fc.property(stranger, fc.array(fc.string()), fc.nat(3), (client, written, hops) => {
        const header = [
          ...written.map((text) => text.replaceAll(",", "")),
          client,
          ...Array(hops).fill("10.1.1.1"),
        ];
        expect(clientAddress("10.0.0.1", header.join(","), PROXIES)).toBe(client);
      }),
    );
  });
});
