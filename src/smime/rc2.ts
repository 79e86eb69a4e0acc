import type { Der } from "./der.ts";

/** RFC 2268 2: the permutation of the bytes that the digits of π give. */
const PI_TABLE = Uint8Array.fromHex(
  "d978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2" +
    "179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82" +
    "54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626" +
    "6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7" +
    "08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ec" +
    "c2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731" +
    "2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a9" +
    "0d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad",
);

const BLOCK_BYTES = 8;
const EXPANDED_BYTES = 128;
/** Bits by which each word of a block is rotated in a mixing round. */
const ROTATIONS = [1, 2, 3, 5] as const;
/** Mashing rounds follow these mixing rounds (RFC 2268 3). */
const MASHED_AFTER = [4, 10];
const MIXING_ROUNDS = 16;

/** Decrypts RC2 in CBC mode (RFC 2268) for old PKCS#12 files; no runtime but Bun has it. The padding stays. */
export function decryptRc2(key: Der, effectiveBits: number, iv: Der, ciphertext: Der): Der {
  const words = expandKey(key, effectiveBits);
  const plaintext = new Uint8Array(ciphertext.length);
  for (let offset = 0; offset < ciphertext.length; offset += BLOCK_BYTES) {
    const previous = offset === 0 ? iv : ciphertext.subarray(offset - BLOCK_BYTES, offset);
    const block = decryptBlock(ciphertext.subarray(offset, offset + BLOCK_BYTES), words);
    for (let i = 0; i < BLOCK_BYTES; i++) plaintext[offset + i] = block[i]! ^ previous[i]!;
  }
  return plaintext;
}

/** RFC 2268 2. */
function expandKey(key: Uint8Array, effectiveBits: number): Uint16Array {
  const bytes = new Uint8Array(EXPANDED_BYTES);
  bytes.set(key);
  for (let i = key.length; i < EXPANDED_BYTES; i++) {
    bytes[i] = PI_TABLE[(bytes[i - 1]! + bytes[i - key.length]!) & 0xff]!;
  }
  const effectiveBytes = Math.ceil(effectiveBits / 8);
  const mask = 0xff >> (8 * effectiveBytes - effectiveBits);
  const first = EXPANDED_BYTES - effectiveBytes;
  bytes[first] = PI_TABLE[bytes[first]! & mask]!;
  for (let i = first - 1; i >= 0; i--) bytes[i] = PI_TABLE[bytes[i + 1]! ^ bytes[i + effectiveBytes]!]!;
  return Uint16Array.from({ length: EXPANDED_BYTES / 2 }, (_, i) => bytes[2 * i]! | (bytes[2 * i + 1]! << 8));
}

/** RFC 2268 4. */
function decryptBlock(block: Uint8Array, key: Uint16Array): Uint8Array {
  const view = new DataView(block.slice().buffer);
  const words = Uint16Array.from({ length: 4 }, (_, i) => view.getUint16(2 * i, true));
  for (let round = MIXING_ROUNDS - 1; round >= 0; round--) {
    for (let i = 3; i >= 0; i--) {
      const [above, two, three] = [words[(i + 3) & 3]!, words[(i + 2) & 3]!, words[(i + 1) & 3]!];
      const rotated = (words[i]! >>> ROTATIONS[i]!) | (words[i]! << (16 - ROTATIONS[i]!));
      words[i] = rotated - key[4 * round + i]! - (above & two) - (~above & three);
    }
    if (!MASHED_AFTER.includes(round - 1)) continue;
    for (let i = 3; i >= 0; i--) words[i] = words[i]! - key[words[(i + 3) & 3]! & 63]!;
  }
  for (const [i, word] of words.entries()) view.setUint16(2 * i, word, true);
  return new Uint8Array(view.buffer);
}
