import { describe, expect, test } from "bun:test";
import { isIP } from "node:net";
import fc from "fast-check";
import { isEgressAllowed, isTargetAllowed } from "../../src/domain/network.ts";

const ALWAYS_DENIED = [
  "0.0.0.0",
  "0.1.2.3",
  "169.254.169.254",
  "169.254.0.1",
  "224.0.0.1",
  "239.255.255.255",
  "255.255.255.255",
  "100.100.100.200",
  "192.0.0.192",
  "168.63.129.16",
  "::",
  "fe80::1",
  "fe80::1%eth0",
  "febf::1",
  "ff02::1",
  "fd00:ec2::254",
  "fd20:ce::254",
  "not an address",
  "",
];

const PRIVATE_ONLY = [
  "127.0.0.1",
  "127.255.255.254",
  "10.0.0.1",
  "172.16.0.1",
  "192.168.1.1",
  "100.64.0.1",
  "192.0.2.1",
  "198.18.0.1",
  "240.0.0.1",
  "::1",
  "fc00::1",
  "fd12::1",
  "2001:db8::1",
];

const ANYWHERE = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2a00:1450::1", "2606:4700::1111"];

/** Every form of IPv6 that embeds an IPv4 address. */
function embeddings(address: string): readonly string[] {
  const octets = address.split(".").map(Number);
  const group = (at: number, mask: number): string =>
    ((((octets[at] ?? 0) ^ mask) << 8) | ((octets[at + 1] ?? 0) ^ mask)).toString(16);
  const hex = `${group(0, 0)}:${group(2, 0)}`;
  return [
    `::ffff:${address}`,
    `::ffff:${hex}`,
    `::ffff:0:${hex}`,
    `64:ff9b::${hex}`,
    `2002:${hex}::1`,
    `2001:0:102:304:0:0:${group(0, 0xff)}:${group(2, 0xff)}`,
  ];
}

const isIPv4 = (address: string): boolean => /^[\d.]+$/.test(address);

describe("isEgressAllowed()", () => {
  for (const address of ALWAYS_DENIED) {
    test(`denies ${JSON.stringify(address)} in both modes`, () => {
      expect(isEgressAllowed(address, "private")).toBe(false);
      expect(isEgressAllowed(address, "public")).toBe(false);
    });
  }
  for (const address of PRIVATE_ONLY) {
    test(`allows ${address} in mode private only`, () => {
      expect(isEgressAllowed(address, "private")).toBe(true);
      expect(isEgressAllowed(address, "public")).toBe(false);
    });
  }
  for (const address of ANYWHERE) {
    test(`allows ${address} in both modes`, () => {
      expect(isEgressAllowed(address, "private")).toBe(true);
      expect(isEgressAllowed(address, "public")).toBe(true);
    });
  }

  test("treats an embedded IPv4 address like the address itself", () => {
    for (const address of [...ALWAYS_DENIED, ...PRIVATE_ONLY, ...ANYWHERE].filter(isIPv4)) {
      for (const form of embeddings(address)) {
        for (const mode of ["private", "public"] as const) {
          const told = `${form} in mode ${mode}: ${isEgressAllowed(form, mode)}`;
          expect(told).toBe(`${form} in mode ${mode}: ${isEgressAllowed(address, mode)}`);
        }
      }
    }
  });

  test("mode private allows every address that mode public allows", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
        expect(isEgressAllowed(address, "public") && !isEgressAllowed(address, "private")).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("isTargetAllowed()", () => {
  const policy = { egress: "public", ports: [25, 587] } as const;

  test("allows a name, which is resolved later, on the ports of the policy", () => {
    for (const name of ["mail.example.org", "localhost", "10.0.0.1.example.org", "a"]) {
      expect(isTargetAllowed(name, 587, policy)).toBe(true);
      expect(isTargetAllowed(name, 465, policy)).toBe(false);
      expect(isTargetAllowed(name, 465, { ...policy, ports: [] })).toBe(true);
    }
  });

  test("denies what isEgressAllowed() denies, in every form that a socket takes for an address", () => {
    const zone = fc.constantFrom("", "%eth0", "%25eth-0", "%1");
    const forms = fc.oneof(
      fc.ipV4(),
      fc.ipV4Extended(),
      fc.tuple(fc.ipV6(), zone).map((parts) => parts.join("")),
    );
    const denied = fc
      .oneof(forms, fc.constantFrom(...ALWAYS_DENIED, ...PRIVATE_ONLY))
      .filter((text) => isIP(text) !== 0);
    fc.assert(
      fc.property(denied, fc.constantFrom("public", "private"), (address, egress) => {
        const isAllowed = isTargetAllowed(address, 25, { ...policy, egress });
        expect([address, isAllowed]).toEqual([address, isEgressAllowed(address, egress)]);
      }),
      { numRuns: 2000 },
    );
  });
});
