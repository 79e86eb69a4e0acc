import { createHash } from "node:crypto";
import type { Cost } from "./cost.ts";
import { concat, type Der } from "./der.ts";
import { rehash256 } from "./rehash.ts";

/** Purposes for which PKCS#12 derives bytes (RFC 7292 B.3). */
export const PURPOSE = { key: 1, iv: 2, mac: 3 } as const;

interface Derivation {
  /** Name for `createHash`. */
  readonly hash: string;
  readonly salt: Der;
  readonly iterations: number;
  readonly cost: Cost;
}

/** Hashes whose blocks have 64 bytes. Those of the others have 128. */
const SHORT_BLOCKS = ["md5", "sha1", "sha224", "sha256"];
/** Cost of a round, compared with one of PBKDF2, which the runtime computes. */
const ROUND_COSTS: Readonly<Record<string, number>> = { sha256: 2 };
const SLOW_ROUND_COST = 8;
/** Bytes of the first input that cost as much as a round. */
const ROUND_BYTES = 64;
/** Rounds after which other requests may run: a few milliseconds. */
const SLICE_ROUNDS = 8192;

/**
 * Derives `length` bytes by PKCS#12's own function (RFC 7292 B.2).
 * @param password a BMPString with its terminator, or nothing
 * @throws {IdentityError} for too many iterations
 */
export async function derivePkcs12(
  password: Der,
  { hash, salt, iterations, cost }: Derivation,
  purpose: (typeof PURPOSE)[keyof typeof PURPOSE],
  length: number,
): Promise<Der> {
  const v = SHORT_BLOCKS.includes(hash) ? 64 : 128;
  const diversifier = new Uint8Array(v).fill(purpose);
  let input = concat([stretch(salt, v), stretch(password, v)]);
  const blocks: Der[] = [];
  for (let made = 0; made < length; ) {
    const block = await iterate(concat([diversifier, input]), { hash, iterations, cost });
    blocks.push(block);
    made += block.length;
    input = addBlock(input, stretch(block, v).subarray(0, v));
  }
  return concat(blocks).subarray(0, length) as Der;
}

/** Derives up to one hash by PBKDF1 (RFC 8018 5.1). @throws {IdentityError} for too many iterations */
export async function derivePbkdf1(
  password: Der,
  { salt, ...derivation }: Derivation,
  length: number,
): Promise<Der> {
  return (await iterate(concat([password, salt]), derivation)).subarray(0, length) as Der;
}

/** Applies the hash again and again, in slices. */
async function iterate(input: Der, { hash, iterations, cost }: Omit<Derivation, "salt">): Promise<Der> {
  const rounds = iterations + input.length / ROUND_BYTES;
  cost.spend(rounds * (ROUND_COSTS[hash] ?? SLOW_ROUND_COST), `a key derivation of ${iterations} iterations`);
  let value = digest(hash, input);
  for (let left = iterations - 1; left > 0; left -= SLICE_ROUNDS) {
    value = repeat(hash, value, Math.min(left, SLICE_ROUNDS));
    await new Promise((resolve) => setTimeout(resolve));
  }
  return value;
}

function repeat(hash: string, value: Der, rounds: number): Der {
  if (hash === "sha256") return rehash256(value, rounds);
  let last = value;
  for (let round = 0; round < rounds; round++) last = digest(hash, last);
  return last;
}

function digest(hash: string, bytes: Der): Der {
  return new Uint8Array(createHash(hash).update(bytes).digest());
}

/** Repeats the bytes up to a multiple of the block size. */
function stretch(bytes: Der, blockBytes: number): Der {
  const length = blockBytes * Math.ceil(bytes.length / blockBytes);
  return Uint8Array.from({ length }, (_, index) => bytes[index % bytes.length]!);
}

/** Adds the block, and one, to each block of the input, as big-endian numbers. */
function addBlock(input: Der, block: Uint8Array): Der {
  const sum = input.slice();
  for (let start = 0; start < sum.length; start += block.length) {
    let carry = 1;
    for (let i = block.length - 1; i >= 0; i--) {
      carry += sum[start + i]! + block[i]!;
      sum[start + i] = carry & 0xff;
      carry >>= 8;
    }
  }
  return sum;
}
