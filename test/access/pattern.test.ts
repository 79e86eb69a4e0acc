import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { matchesName, matchesWildcard } from "../../src/access/pattern.ts";

/** The definition as a recursion: correct but slow. */
function naive(pattern: string, text: string): boolean {
  if (pattern === "") return text === "";
  if (pattern.startsWith("*")) {
    return naive(pattern.slice(1), text) || (text !== "" && naive(pattern, text.slice(1)));
  }
  if (text === "") return false;
  return (pattern.startsWith("?") || pattern[0] === text[0]) && naive(pattern.slice(1), text.slice(1));
}

describe("matchesWildcard()", () => {
  test.each<[pattern: string, text: string, matches: boolean]>([
    ["", "", true],
    ["", "a", false],
    ["*", "", true],
    ["*", "anything", true],
    ["a*c", "abbc", true],
    ["a*c", "abbd", false],
    ["a?c", "abc", true],
    ["a?c", "ac", false],
    ["a.c", "abc", false],
    ["*.example.org", "mail.example.org", true],
    ["Admin", "admin", false],
  ])("%p and %p: %p", (pattern, text, matches) => {
    expect(matchesWildcard(pattern, text)).toBe(matches);
  });

  test("agrees with the definition", () => {
    const pattern = fc.string({ unit: fc.constantFrom("a", "b", "*", "?"), maxLength: 8 });
    const text = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 10 });
    fc.assert(
      fc.property(pattern, text, (p, t) => expect(matchesWildcard(p, t)).toBe(naive(p, t))),
      { numRuns: 2_000 },
    );
  });

  test("takes time proportional to the product of the lengths", () => {
    const started = performance.now();
    expect(matchesWildcard(`${"*a".repeat(1_000)}b`, "a".repeat(2_000))).toBe(false);
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});

describe("matchesName()", () => {
  test.each<[entries: string[], name: string, matches: boolean]>([
    [[], "anybody", true],
    [["alice", "bob"], "bob", true],
    [["alice", "bob"], "carol", false],
    [["*"], "carol", true],
    [["*", "!bob"], "bob", false],
    [["!bob", "*"], "bob", false],
    [["*", "!bob"], "carol", true],
    [["!bob"], "carol", false],
    [["!bob"], "bob", false],
    [["*", "!b*"], "bill", false],
    [["*", "! bob"], "bob", false],
    [["a-b"], "a-b", true],
    [["-b", "*"], "b", true],
    [["realm"], "", false],
    [["*"], "", true],
  ])("%p and %p: %p", (entries, name, matches) => {
    expect(matchesName(entries, name)).toBe(matches);
  });
});
