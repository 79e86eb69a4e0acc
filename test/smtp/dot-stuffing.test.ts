import { expect, test } from "bun:test";
import fc from "fast-check";
import { stuffDots } from "../../src/smtp/transaction.ts";

const stuff = (text: string): string =>
  Buffer.from(stuffDots(Buffer.from(text, "latin1"))).toString("latin1");

test.each([
  ["a\r\n", "a\r\n.\r\n"],
  [".\r\n", "..\r\n.\r\n"],
  ["..\r\n.x\r\n", "...\r\n..x\r\n.\r\n"],
  ["a.b\r\n", "a.b\r\n.\r\n"],
  ["a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"],
])("stuffDots(%j) is %j", (text, stuffed) => {
  expect(stuff(text)).toBe(stuffed);
});

test("the output of stuffDots() has one terminator, at its end, and unstuffs to the input", () => {
  const line = fc.string({ unit: fc.constantFrom(".", "a", "\u00ff"), maxLength: 4 });
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 8 }), (lines) => {
      const text = lines.map((one) => `${one}\r\n`).join("");
      const stuffed = stuff(text);
      expect(`\r\n${stuffed}`.indexOf("\r\n.\r\n")).toBe(stuffed.length - 3);
      expect(stuffed.slice(0, -3).replace(/^\./gm, "")).toBe(text);
    }),
  );
});
