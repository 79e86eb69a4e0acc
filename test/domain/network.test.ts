import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { canonicalIp, clientNetwork, ehloNameOf, parseCidr } from "../../src/domain/network.ts";

describe("parseCidr()", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1", "192.0.2.2"],
    ["192.0.2.0/24", "192.0.2.255", "192.0.3.0"],
    ["192.0.2.77/24", "192.0.2.1", "192.0.3.1"],
    ["0.0.0.0/0", "255.1.2.3", "::1"],
    ["::/0", "2001:db8::1", "192.0.2.1"],
    ["2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"],
    ["192.0.2.0/24", "::ffff:192.0.2.9", "::ffff:192.0.3.9"],
    ["::ffff:192.0.2.9", "192.0.2.9", "192.0.2.8"],
  ])("%p holds %p and not %p", (block, inside, outside) => {
    const parsed = parseCidr(block);
    expect(parsed?.contains(inside)).toBe(true);
    expect(parsed?.contains(outside)).toBe(false);
  });

  test.each([
    "",
    "x",
    "192.0.2.0/33",
    "::/129",
    "192.0.2.0/",
    "192.0.2.0/x",
    "192.0.2.0/1/2",
    "10",
    "0x7f.1",
    "010.0.0.1",
    "192.0.2.0/-1",
  ])("rejects %p", (text) => {
    expect(parseCidr(text)).toBeNull();
  });

  test("holds an address that is no address never", () => {
    expect(parseCidr("0.0.0.0/0")?.contains("unknown")).toBe(false);
  });

  test("agrees with arithmetic on IPv4", () => {
    const address = fc.integer({ min: 0, max: 0xffffffff });
    const text = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
    fc.assert(
      fc.property(address, address, fc.integer({ min: 0, max: 32 }), (base, other, prefix) => {
        const size = 2 ** (32 - prefix);
        const same = Math.floor(base / size) === Math.floor(other / size);
        expect(parseCidr(`${text(base)}/${prefix}`)?.contains(text(other))).toBe(same);
      }),
    );
  });
});

describe("canonicalIp()", () => {
  test.each([
    ["::FFFF:192.0.2.1", "192.0.2.1"],
    ["2001:DB8:0:0::1", "2001:db8::1"],
    ["192.0.2.1", "192.0.2.1"],
  ])("writes %p as %p", (given, canonical) => {
    expect(canonicalIp(given)).toBe(canonical);
  });

  test.each(["", "localhost", "192.0.2.1:25", "[::1]", "1"])("has none for %p", (text) => {
    expect(canonicalIp(text)).toBeNull();
  });
});

describe("clientNetwork()", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2::1", "2001:db8:1:2::/64"],
    ["2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"],
    ["2001:db8:1:3::1", "2001:db8:1:3::/64"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
  ])("takes %p for %p", (address, network) => {
    expect(clientNetwork(canonicalIp(address) ?? "")).toBe(network);
  });
});

describe("ehloNameOf()", () => {
  test.each([
    ["mail.example.org", ["192.0.2.1"], "mail.example.org"],
    ["web", ["2001:db8::1", "192.0.2.1"], "[192.0.2.1]"],
    ["web", ["fe80::1", "2001:DB8::1"], "[IPv6:2001:db8::1]"],
    ["web", ["fd00::1", "2001:db8::1"], "[IPv6:2001:db8::1]"],
    ["web", ["169.254.0.1", "2001:db8::1"], "[IPv6:2001:db8::1]"],
    ["web", ["169.254.0.1", "fd00::1", "10.0.0.1"], "[10.0.0.1]"],
    ["web", ["127.0.0.1", "fd00::1"], "[IPv6:fd00::1]"],
    ["web", ["fe90::1", "fd00::1"], "[IPv6:fd00::1]"],
    ["web", ["fe90::1", "fe80::1%eth0", "::1", "::"], "[127.0.0.1]"],
    ["web", ["fe80::1", "169.254.0.1"], "[169.254.0.1]"],
    ["web", ["fe80::1"], "[127.0.0.1]"],
    ["web", [], "[127.0.0.1]"],
  ] as const)("of %p with the addresses %p is %p", (host, addresses, name) => {
    expect(ehloNameOf(host, addresses)).toBe(name);
  });
});
