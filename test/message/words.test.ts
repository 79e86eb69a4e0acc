import { describe, expect, test } from "bun:test";
import { encodeWords, foldField, isPlain } from "../../src/message/headers.ts";

describe("isPlain()", () => {
  for (const [name, text, plain] of [
    ["words of printable ASCII", 'Your "code", (it\'s) 100% = fine?', true],
    ["a word of 60 characters", "a".repeat(60), true],
    ["a word of 61 characters, which no line could break", "a".repeat(61), false],
    ["two spaces, which readers join", "a  b", false],
    ["a space at the start", " a", false],
    ["a space at the end", "a ", false],
    ["a look-alike of an encoded word", "=?utf-8?Q?a?=", false],
    ["a tab", "a\tb", false],
    ["a non-ASCII letter", "é", false],
    ["nothing", "", false],
  ] as const) {
    test(`is ${plain} for ${name}`, () => expect(isPlain(text)).toBe(plain));
  }
});

describe("encodeWords()", () => {
  test("uses Q for text that is mostly letters, B for other scripts", () => {
    expect(encodeWords("Büro 1_2")).toBe("=?UTF-8?Q?B=C3=BCro_1=5F2?=");
    expect(encodeWords("漢字")).toBe("=?UTF-8?B?5ryi5a2X?=");
  });

  test("never splits a character between two words", () => {
    for (const character of ["ü", "漢", "🙂"]) {
      for (const word of encodeWords(character.repeat(100)).split(" ")) {
        const base64 = /^=\?UTF-8\?B\?(.*)\?=$/.exec(word)?.[1];
        expect(new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.fromBase64(base64!))).toMatch(
          new RegExp(`^(${character})+$`, "u"),
        );
      }
    }
  });

  test("writes half of a surrogate pair as the replacement character", () => {
    expect(encodeWords("\ud800")).toBe(encodeWords("\ufffd"));
  });
});

describe("foldField()", () => {
  test("keeps every line of encoded words within 76 characters, even after the longest name", () => {
    for (const text of ["ü".repeat(500), "a".repeat(500), " ".repeat(500), "aü ".repeat(200)]) {
      const lines = foldField("Reply-To", encodeWords(text)).split("\r\n");
      expect(lines.length).toBeGreaterThan(2);
      expect(lines.filter((line) => line.length > 76)).toEqual([]);
    }
  });

  test("unfolds to the original, and has no line of white space alone", () => {
    const value = "word ".repeat(100).trim();
    const folded = foldField("Subject", value);
    expect(folded.replaceAll("\r\n ", " ")).toBe(`Subject: ${value}\r\n`);
    expect(folded).not.toMatch(/^[ \t]*\r\n\S/m);
  });
});
