import { createDecipheriv } from "node:crypto";
import { concat, type Der } from "./der.ts";
import { decryptRc2 } from "./rc2.ts";

/** A block cipher in CBC mode. */
export interface Cipher {
  readonly keyBytes: number;
  readonly ivBytes: number;
  /** Decrypts, and removes the padding. @returns `null` if the padding is wrong */
  decrypt(key: Der, iv: Der, ciphertext: Der): Promise<Der | null>;
}

const aes = (keyBytes: number): Cipher => ({
  keyBytes,
  ivBytes: 16,
  async decrypt(key, iv, ciphertext) {
    const imported = await crypto.subtle.importKey("raw", key, "AES-CBC", false, ["decrypt"]);
    try {
      return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-CBC", iv }, imported, ciphertext));
    } catch {
      return null;
    }
  },
});

/** @param tripled returns the three keys of triple DES, the only form of DES that every runtime has. */
const des = (keyBytes: number, tripled: (key: Der) => Der): Cipher => ({
  keyBytes,
  ivBytes: 8,
  async decrypt(key, iv, ciphertext) {
    try {
      const decipher = createDecipheriv("des-ede3-cbc", tripled(key), iv);
      return concat([decipher.update(ciphertext), decipher.final()]);
    } catch {
      return null;
    }
  },
});

const rc2 = (keyBytes: number, effectiveBits: number): Cipher => ({
  keyBytes,
  ivBytes: 8,
  async decrypt(key, iv, ciphertext) {
    if (ciphertext.length === 0 || ciphertext.length % 8 !== 0) return null;
    return withoutPadding(decryptRc2(key, effectiveBits, iv, ciphertext));
  },
});

/** Ciphers by their names in `DEK-Info`. */
export const CIPHERS = {
  "AES-128-CBC": aes(16),
  "AES-192-CBC": aes(24),
  "AES-256-CBC": aes(32),
  "DES-CBC": des(8, (key) => concat([key, key, key])),
  "DES-EDE-CBC": des(16, (key) => concat([key, key.subarray(0, 8)])),
  "DES-EDE3-CBC": des(24, (key) => key),
  "RC2-40-CBC": rc2(5, 40),
  "RC2-64-CBC": rc2(8, 64),
  "RC2-CBC": rc2(16, 128),
} as const satisfies Readonly<Record<string, Cipher>>;

/** RFC 8018 6.1.1: as many octets as are missing, each of that value. */
function withoutPadding(plaintext: Der): Der | null {
  const padding = plaintext.at(-1) ?? 0;
  const isPadded =
    padding >= 1 && padding <= 8 && plaintext.subarray(-padding).every((octet) => octet === padding);
  return isPadded ? plaintext.slice(0, -padding) : null;
}
