import { describe, expect, test } from "bun:test";
import { inspect } from "node:util";
import { BoundedCache } from "../../src/domain/cache.ts";
import { Secret } from "../../src/domain/secret.ts";
import { uuidFrom } from "../../src/domain/uuid.ts";

describe("Secret", () => {
  const secret = new Secret("hunter2");

  test.each([
    ["String()", String(secret)],
    ["a template", `${secret}`],
    ["JSON", JSON.stringify({ secret })],
    ["inspect()", inspect({ secret }, { showHidden: true, depth: 9 })],
    ["Bun.inspect()", Bun.inspect({ secret })],
    ["its keys", Object.entries(secret).join()],
  ])("does not show in %s", (_, shown) => {
    expect(shown).not.toContain("hunter2");
  });

  test("comes out by reveal() alone", () => {
    expect(secret.reveal()).toBe("hunter2");
    expect(secret.isEmpty).toBe(false);
    expect(Secret.EMPTY.isEmpty).toBe(true);
  });
});

describe("BoundedCache", () => {
  test("forgets what was used longest ago", () => {
    const cache = new BoundedCache<number>(2);
    cache.set("a", 1);
    cache.set("b", 2);
    cache.get("a");
    cache.set("c", 3);
    expect([cache.get("a"), cache.get("b"), cache.get("c")]).toEqual([1, undefined, 3]);
  });

  test("keeps one entry for a key that is set again", () => {
    const cache = new BoundedCache<number>(2);
    cache.set("a", 1);
    cache.set("b", 2);
    cache.set("a", 3);
    expect([cache.get("a"), cache.get("b")]).toEqual([3, 2]);
  });
});

test("uuidFrom() sets version and variant and keeps the other bits", () => {
  expect(uuidFrom(new Uint8Array(16).fill(0xff))).toBe("ffffffff-ffff-4fff-bfff-ffffffffffff");
  expect(uuidFrom(new Uint8Array(16))).toBe("00000000-0000-4000-8000-000000000000");
});
