import type { Der } from "./der.ts";

/** FIPS 180-4 4.2.2 and 5.3.3. */
const CONSTANTS = words(
  Uint8Array.fromHex(
    "428a2f9871374491b5c0fbcfe9b5dba53956c25b59f111f1923f82a4ab1c5ed5d807aa9812835b01243185be550c7dc3" +
      "72be5d7480deb1fe9bdc06a7c19bf174e49b69c1efbe47860fc19dc6240ca1cc2de92c6f4a7484aa5cb0a9dc76f988da" +
      "983e5152a831c66db00327c8bf597fc7c6e00bf3d5a7914706ca63511429296727b70a852e1b21384d2c6dfc53380d13" +
      "650a7354766a0abb81c2c92e92722c85a2bfe8a1a81a664bc24b8b70c76c51a3d192e819d6990624f40e3585106aa070" +
      "19a4c1161e376c082748774c34b0bcb5391c0cb34ed8aa4a5b9cca4f682e6ff3748f82ee78a5636f84c878148cc70208" +
      "90befffaa4506cebbef9a3f7c67178f2",
  ),
);
const INITIAL = words(Uint8Array.fromHex("6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19"));
const DIGEST_BYTES = 32;

/**
 * Hashes a SHA-256 digest with SHA-256, again and again, and takes the last digest. PKCS#12 files have up to 600,000 such
 * rounds: a call of `createHash` for each takes ten times as long on Deno and workerd.
 */
export function rehash256(digest: Uint8Array, rounds: number): Der {
  const state = words(digest);
  const schedule = new Int32Array(64);
  for (let round = 0; round < rounds; round++) {
    schedule.set(state);
    // The padding of a message of 256 bits (FIPS 180-4 5.1.1).
    schedule.fill(0, 8, 16);
    schedule[8] = 1 << 31;
    schedule[15] = 8 * DIGEST_BYTES;
    compress(schedule, state);
  }
  const bytes = new Uint8Array(DIGEST_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, word] of state.entries()) view.setInt32(4 * index, word);
  return bytes;
}

/** Computes the digest of one block (FIPS 180-4 6.2.2). @param w its words, with room for the message schedule */
function compress(w: Int32Array, state: Int32Array): void {
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15]!;
    const y = w[i - 2]!;
    const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
    const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
    w[i] = w[i - 16]! + s0 + w[i - 7]! + s1;
  }
  let a = INITIAL[0]!;
  let b = INITIAL[1]!;
  let c = INITIAL[2]!;
  let d = INITIAL[3]!;
  let e = INITIAL[4]!;
  let f = INITIAL[5]!;
  let g = INITIAL[6]!;
  let h = INITIAL[7]!;
  for (let i = 0; i < 64; i++) {
    const chosen = (e & f) ^ (~e & g);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    const first = (h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + chosen + CONSTANTS[i]! + w[i]!) | 0;
    const second = ((rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + majority) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + first) | 0;
    d = c;
    c = b;
    b = a;
    a = (first + second) | 0;
  }
  state[0] = a + INITIAL[0]!;
  state[1] = b + INITIAL[1]!;
  state[2] = c + INITIAL[2]!;
  state[3] = d + INITIAL[3]!;
  state[4] = e + INITIAL[4]!;
  state[5] = f + INITIAL[5]!;
  state[6] = g + INITIAL[6]!;
  state[7] = h + INITIAL[7]!;
}

function rotate(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}

function words(bytes: Uint8Array): Int32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Int32Array.from({ length: bytes.length / 4 }, (_, index) => view.getInt32(4 * index));
}
