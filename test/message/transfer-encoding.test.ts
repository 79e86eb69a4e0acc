import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type EncodedBody, encodeBytes, encodeText } from "../../src/message/transfer-encoding.ts";

/** Decodes as in RFC 2045 6.7 and 6.8. */
function decode({ encoding, body }: EncodedBody): string {
  if (encoding === "7bit") return body;
  if (encoding === "base64") return Buffer.from(body, "base64").toString();
  const octets = body
    .replaceAll("=\r\n", "")
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(octets, "latin1").toString();
}

const awkward = fc.constantFrom(
  "From ",
  "From",
  ".",
  "..",
  "=",
  "\r\n",
  " ",
  "\t",
  "é",
  "漢",
  "🙂",
  "\0",
  "x".repeat(80),
);
const crlfText = fc
  .oneof(
    fc
      .array(fc.oneof(awkward, fc.string({ maxLength: 30 })), { maxLength: 60, size: "max" })
      .map((all) => all.join("")),
    fc.string({ unit: "binary", maxLength: 400, size: "max" }),
    fc.string({ unit: fc.constantFrom("ä", "ö", " "), maxLength: 400, size: "max" }),
  )
  .map((text) => text.toWellFormed().replace(/\r\n|\r|\n/g, "\r\n"));

describe("encodeText()", () => {
  test.each([
    ["Your code is 123456.\r\n", "7bit"],
    ["", "7bit"],
    [".dot\r\n..\r\n", "7bit"],
    [`${"a".repeat(76)}\r\n`, "7bit"],
    [`${"a".repeat(77)}\r\n`, "quoted-printable"],
    ["From me\r\n", "quoted-printable"],
    ["a\r\nFrom me\r\n", "quoted-printable"],
    ["From: me\r\n", "7bit"],
    ["blank \r\n", "quoted-printable"],
    ["tab\t", "quoted-printable"],
    [".", "quoted-printable"],
    ["a\r\n.\r\nb", "quoted-printable"],
    ["bell\u0007", "quoted-printable"],
    ["Ihr Code läuft ab.\r\n", "quoted-printable"],
    ["漢字漢字漢字\r\n", "base64"],
    ["漢 is a character in an otherwise plain sentence\r\n", "quoted-printable"],
  ] as const)("sends %j as %s", (text, encoding) => {
    expect(encodeText(text).encoding).toBe(encoding);
  });

  test("encodes every text reversibly", () => {
    fc.assert(
      fc.property(crlfText, (text) => {
        expect(decode(encodeText(text))).toBe(text);
      }),
    );
  });

  test("writes ASCII lines of at most 76 characters that relays do not change", () => {
    fc.assert(
      fc.property(crlfText, (text) => {
        const lines = encodeText(text).body.split("\r\n");
        expect(lines.filter((line) => !/^[\t\x20-\x7e]{0,76}$/.test(line))).toEqual([]);
        expect(lines.filter((line) => /^From |[\t ]$|^\.$/.test(line))).toEqual([]);
      }),
    );
  });

  test("chooses the shorter encoding for text that is not ASCII", () => {
    fc.assert(
      fc.property(crlfText, (text) => {
        const { encoding, body } = encodeText(text);
        const isAscii = !/[^\0-\x7f]/.test(text);
        if (encoding === "7bit" || isAscii) return expect(encoding).not.toBe("base64");
        expect(body.length).toBeLessThanOrEqual(encodeBytes(Buffer.from(text)).body.length);
      }),
    );
  });
});

test("encodeBytes() encodes all bytes reversibly, in lines of 76 characters", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400, size: "max" }), (bytes) => {
      const { body } = encodeBytes(bytes);
      expect(new Uint8Array(Buffer.from(body, "base64"))).toEqual(new Uint8Array(bytes));
      expect(body.split("\r\n").filter((line) => line.length > 76)).toEqual([]);
    }),
  );
});
