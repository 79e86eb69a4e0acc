import { expect, test } from "bun:test";
import { parseExtensions } from "../../src/smtp/replies.ts";

test("keywords are read in any case, from all lines except the first", () => {
  const lines = ["mx PIPELINING SIZE 10", "8bitmime", " Chunking ", "", "X-MAX-SIZE 10", "NO PIPELINING"];
  const { keywords, sizeOctets } = parseExtensions(lines);
  expect([...keywords]).toEqual(["8BITMIME", "CHUNKING", "X-MAX-SIZE", "NO"]);
  expect(sizeOctets).toBeNull();
});

test("a first line that looks like a keyword is ignored", () => {
  expect(parseExtensions(["PIPELINING"]).keywords.size).toBe(0);
  expect(parseExtensions(["SIZE 10", "8BITMIME"]).sizeOctets).toBeNull();
});

test("mechanisms are read from both forms of AUTH, once each, in upper case", () => {
  const lines = ["mx", "AUTH PLAIN login", "AUTH=CRAM-MD5 PLAIN", "auth"];
  expect(parseExtensions(lines).mechanisms).toEqual(["PLAIN", "LOGIN", "CRAM-MD5"]);
});

for (const [line, octets] of [
  ["SIZE 1000", 1000],
  ["size 1000", 1000],
  ["SIZE=1000", 1000],
  ["SIZE", null],
  ["SIZE 0", null],
  ["SIZE 20MB", null],
  ["SIZE 20 MB", null],
  ["SIZE 10 000 000", null],
  ["SIZE=20 MB", null],
  ["SIZE 1000 ", 1000],
  ["SIZE -1", null],
  ["SIZE 99999999999999999999", null],
] as const) {
  test(`"${line}" is ${octets === null ? "no limit" : `a limit of ${octets} octets`}`, () => {
    expect(parseExtensions(["mx", line]).sizeOctets).toBe(octets);
  });
}
