import { expect, test } from "bun:test";
import { decryptRc2 } from "../../src/smime/rc2.ts";

/** RFC 2268 5. */
const VECTORS: readonly (readonly [key: string, bits: number, plaintext: string, ciphertext: string])[] = [
  ["0000000000000000", 63, "0000000000000000", "ebb773f993278eff"],
  ["ffffffffffffffff", 64, "ffffffffffffffff", "278b27e42e2f0d49"],
  ["3000000000000000", 64, "1000000000000001", "30649edf9be7d2c2"],
  ["88", 64, "0000000000000000", "61a8a244adacccf0"],
  ["88bca90e90875a", 64, "0000000000000000", "6ccf4308974c267f"],
  ["88bca90e90875a7f0f79c384627bafb2", 64, "0000000000000000", "1a807d272bbe5db1"],
  ["88bca90e90875a7f0f79c384627bafb2", 128, "0000000000000000", "2269552ab0f85ca6"],
  [
    "88bca90e90875a7f0f79c384627bafb216f80a6f85920584c42fceb0be255daf1e",
    129,
    "0000000000000000",
    "5b78d3a43dfff1f1",
  ],
];

test.each(VECTORS)(
  "decryptRc2() decrypts what RFC 2268 encrypts with %s, %i bits",
  (key, bits, plain, cipher) => {
    const decrypted = decryptRc2(
      Uint8Array.fromHex(key),
      bits,
      new Uint8Array(8),
      Uint8Array.fromHex(cipher),
    );
    expect(decrypted.toHex()).toBe(plain);
  },
);

test("decryptRc2() chains blocks by CBC", () => {
  const [key, iv] = [new Uint8Array(8), Uint8Array.fromHex("0102030405060708")];
  const block = Uint8Array.fromHex("ebb773f993278eff");
  const plaintext = decryptRc2(key, 63, iv, new Uint8Array([...block, ...block]));
  expect(plaintext.toHex()).toBe(`${iv.toHex()}${block.toHex()}`);
});
