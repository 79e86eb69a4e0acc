import { timingSafeEqual } from "node:crypto";
import type { Platform } from "../contracts/platform.ts";
import { invalidParameter } from "../errors.ts";
import { MAX_PASSWORD_BYTES, passwordBytes } from "./password.ts";

/**
 * About 0.2 ms. No cost protects 10,000 possible PINs in a stolen database. The pepper does, and rate limits stop online
 * guessing.
 */
const ITERATIONS = 1_000;
const SALT_BYTES = 16;
const HASH_BITS = 256;
const STORED = /^\$pin\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9_-]{43})$/;
const NO_SALT = new Uint8Array(SALT_BYTES);
const NO_MAC = "A".repeat(43);

/** HMAC-SHA-256 as 43 characters of base64url, keyed with the pepper. */
type Mac = (text: string) => Promise<string>;

/**
 * Hashes a PIN: a keyed hash over PBKDF2 (RFC 8018 section 5.2) with a fresh salt.
 * @returns `$pin$<salt>$<mac>`.
 * @throws {SealpostError} `invalid_parameter` for more than 1,024 bytes of UTF-8.
 */
export async function hashPin(
  pin: string,
  { mac, randomBytes }: { readonly mac: Mac } & Pick<Platform, "randomBytes">,
): Promise<string> {
  const bytes = passwordBytes(pin);
  if (bytes === null) throw invalidParameter("pin", `at most ${MAX_PASSWORD_BYTES} bytes`);
  const salt = randomBytes(SALT_BYTES);
  return `$pin$${salt.toBase64({ omitPadding: true })}$${await derive(bytes, salt, mac)}`;
}

/**
 * Compares a PIN with a result of {@link hashPin}, in time that does not reveal how much of it is right. `null` or a text
 * of another form takes as long and never matches.
 */
export async function verifyPin(pin: string, stored: string | null, mac: Mac): Promise<boolean> {
  const bytes = passwordBytes(pin);
  if (bytes === null) return false;
  const [, salt, expected = NO_MAC] = STORED.exec(stored ?? "") ?? [];
  const actual = await derive(bytes, salt === undefined ? NO_SALT : Uint8Array.fromBase64(salt), mac);
  const isEqual = timingSafeEqual(Buffer.from(actual), Buffer.from(expected));
  return isEqual && salt !== undefined;
}

async function derive(
  pin: Uint8Array<ArrayBuffer>,
  salt: Uint8Array<ArrayBuffer>,
  mac: Mac,
): Promise<string> {
  // Some runtimes reject an empty key, so the MAC covers the length.
  const raw = pin.length > 0 ? pin : NO_SALT;
  const key = await crypto.subtle.importKey("raw", raw, "PBKDF2", false, ["deriveBits"]);
  const algorithm = { name: "PBKDF2", hash: "SHA-256", salt, iterations: ITERATIONS };
  const bits = new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, HASH_BITS));
  return mac(`${pin.length} ${salt.toHex()} ${bits.toHex()}`);
}
