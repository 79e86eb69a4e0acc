import { scrypt as scryptOfNode, timingSafeEqual } from "node:crypto";
import type { PasswordCost, Platform, Scrypt } from "../contracts/platform.ts";
import { invalidParameter } from "../errors.ts";

/** 16 MiB and about 0.2 s: the parameters that OWASP recommends for little memory. */
export const DEFAULT_PASSWORD_COST: PasswordCost = { ln: 14, r: 8, p: 5 };

const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** Longer than any real password. Without a bound, hashing a huge text could block the service. */
export const MAX_PASSWORD_BYTES = 1_024;
/** A stored hash that needs more is damaged: a Worker has 128 MiB in all. */
const MAX_MEMORY_BYTES = 64 * 1_024 * 1_024;
const MAX_PARALLELIZATION = 16;
/** PHC string format: base64 without padding. */
const PHC = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})$/;

interface StoredHash {
  readonly cost: PasswordCost;
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}

/** How hashes are computed. */
interface HashOptions {
  /** Default: {@link DEFAULT_PASSWORD_COST}. */
  readonly cost?: PasswordCost | undefined;
  /** Default: {@link scrypt}. */
  readonly scrypt?: Scrypt | undefined;
}

/**
 * Hashes a password with a fresh salt.
 * @returns `$scrypt$ln=14,r=8,p=5$<salt>$<hash>` (PHC string format).
 * @throws {SealpostError} `invalid_parameter` for more than 1,024 bytes of UTF-8.
 */
export async function hashPassword(
  password: string,
  options: Pick<Platform, "randomBytes"> & HashOptions,
): Promise<string> {
  const { randomBytes, cost = DEFAULT_PASSWORD_COST, scrypt: compute = scrypt } = options;
  const bytes = passwordBytes(password);
  if (bytes === null) throw invalidParameter("password", `at most ${MAX_PASSWORD_BYTES} bytes`);
  const salt = randomBytes(SALT_BYTES);
  const hash = await compute(bytes, salt, cost);
  return `$scrypt$ln=${cost.ln},r=${cost.r},p=${cost.p}$${toBase64(salt)}$${toBase64(hash)}`;
}

/**
 * Compares a password with a stored hash, in time that does not reveal how much of it is right. `null` (no such user)
 * or a damaged hash takes as long and never matches.
 * @returns `rehash`: whether the password matches a hash of another cost than `cost`.
 */
export async function verifyPassword(
  password: string,
  phc: string | null,
  { cost = DEFAULT_PASSWORD_COST, scrypt: compute = scrypt }: HashOptions = {},
): Promise<{ readonly ok: boolean; readonly rehash: boolean }> {
  const bytes = passwordBytes(password);
  if (bytes === null) return { ok: false, rehash: false };
  const stored = phc === null ? null : parse(phc);
  const { salt, hash, cost: used } = stored ?? decoy(cost);
  const same = timingSafeEqual(await compute(bytes, salt, used), hash);
  const ok = same && stored !== null;
  return { ok, rehash: ok && (used.ln !== cost.ln || used.r !== cost.r || used.p !== cost.p) };
}

/** Returns OpaqueString (RFC 8265 section 4.2) as UTF-8: one kind of space, NFC. `null` if it is too long. */
export function passwordBytes(password: string): Uint8Array<ArrayBuffer> | null {
  const bytes = new TextEncoder().encode(password.replaceAll(/\p{Zs}/gu, " ").normalize("NFC"));
  return bytes.length > MAX_PASSWORD_BYTES ? null : bytes;
}

function parse(phc: string): StoredHash | null {
  const [, ln, r, p, salt, hash] = PHC.exec(phc) ?? [];
  if (salt === undefined || hash === undefined) return null;
  const cost = { ln: Number(ln), r: Number(r), p: Number(p) };
  const affordable = memoryBytes(cost) <= MAX_MEMORY_BYTES && cost.p <= MAX_PARALLELIZATION;
  if (!affordable || cost.ln < 1 || cost.r < 1 || cost.p < 1) return null;
  return { cost, salt: Uint8Array.fromBase64(salt), hash: Uint8Array.fromBase64(hash) };
}

function decoy(cost: PasswordCost): StoredHash {
  return { cost, salt: new Uint8Array(SALT_BYTES), hash: new Uint8Array(HASH_BYTES) };
}

function memoryBytes({ ln, r, p }: PasswordCost): number {
  return 128 * r * (2 ** ln + p);
}

/** Computes a hash on this machine: in the thread pool, or on Workers in the thread of the isolate. */
export const scrypt: Scrypt = (password, salt, cost) => {
  // OpenSSL needs slightly more than the two tables of RFC 7914.
  const options = { N: 2 ** cost.ln, r: cost.r, p: cost.p, maxmem: 2 * memoryBytes(cost) };
  return new Promise((resolve, reject) => {
    scryptOfNode(password, salt, HASH_BYTES, options, (error, hash) =>
      error ? reject(error) : resolve(hash),
    );
  });
};

function toBase64(bytes: Uint8Array): string {
  return bytes.toBase64({ omitPadding: true });
}
