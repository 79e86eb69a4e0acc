import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { rehash256 } from "../../src/smime/rehash.ts";

test("rehash256() hashes as often as SHA-256 does", () => {
  let expected: Uint8Array = createHash("sha256").update("seed").digest();
  const seed = expected;
  for (let rounds = 0; rounds < 200; rounds++) {
    expect(rehash256(seed, rounds).toHex()).toBe(expected.toHex());
    expected = createHash("sha256").update(expected).digest();
  }
});
