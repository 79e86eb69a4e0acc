import { describe, expect, test } from "bun:test";
import { concat, objectIdentifier, setOf, TAG, time, tlv, unsignedInteger } from "../../src/smime/der.ts";

describe("tlv()", () => {
  for (const [length, head] of [
    [0, "0400"],
    [127, "047f"],
    [128, "048180"],
    [255, "0481ff"],
    [256, "04820100"],
    [65_536, "0483010000"],
  ] as const) {
    test(`writes the shortest length of ${length} octets`, () => {
      const encoded = tlv(TAG.OCTET_STRING, new Uint8Array(length));
      expect(encoded.subarray(0, encoded.length - length).toHex()).toBe(head);
    });
  }
});

describe("objectIdentifier()", () => {
  for (const [dotted, hex] of [
    ["1.2.840.113549.1.7.2", "06092a864886f70d010702"],
    ["2.16.840.1.101.3.4.2.1", "0609608648016503040201"],
    ["1.3.101.112", "06032b6570"],
    ["2.999.3", "0603883703"],
  ] as const) {
    test(`encodes ${dotted}`, () => expect(objectIdentifier(dotted).toHex()).toBe(hex));
  }
});

describe("unsignedInteger()", () => {
  for (const [octets, hex] of [
    ["00", "020100"],
    ["7f", "02017f"],
    ["80", "02020080"],
    ["000001", "020101"],
    ["0000ff", "020200ff"],
  ] as const) {
    test(`encodes ${octets} in the fewest octets, never negative`, () => {
      expect(unsignedInteger(Uint8Array.fromHex(octets)).toHex()).toBe(hex);
    });
  }
});

describe("setOf()", () => {
  test("orders by encoded bytes", () => {
    const [short, low, high] = [Uint8Array.of(4, 1, 9), Uint8Array.of(4, 2, 0, 1), Uint8Array.of(4, 2, 0, 2)];
    const wanted = tlv(TAG.SET, short, low, high);
    expect(setOf(high, low, short)).toEqual(wanted);
    expect(setOf(low, short, high)).toEqual(wanted);
  });
});

describe("time()", () => {
  const textOf = (iso: string) => {
    const encoded = time(new Date(iso));
    return [encoded[0], new TextDecoder().decode(encoded.subarray(2))];
  };
  test("is UTCTime with two digits of the year from 1950 to 2049", () => {
    expect(textOf("1950-01-01T00:00:00Z")).toEqual([TAG.UTC_TIME, "500101000000Z"]);
    expect(textOf("2049-12-31T23:59:59.999Z")).toEqual([TAG.UTC_TIME, "491231235959Z"]);
  });
  test("is GeneralizedTime with four digits outside", () => {
    expect(textOf("1949-12-31T23:59:59Z")).toEqual([TAG.GENERALIZED_TIME, "19491231235959Z"]);
    expect(textOf("2050-01-01T00:00:00Z")).toEqual([TAG.GENERALIZED_TIME, "20500101000000Z"]);
  });
});

describe("concat()", () => {
  test("joins parts in order", () => {
    expect(concat([Uint8Array.of(1), Uint8Array.of(), Uint8Array.of(2, 3)])).toEqual(Uint8Array.of(1, 2, 3));
  });
});
