import { createDecipheriv, createSecretKey, type DecipherGCM, type KeyObject } from "node:crypto";
import type { Platform } from "../contracts/platform.ts";
import { SealpostError } from "../errors.ts";

/** AES-256. */
const KEY_BYTES = 32;
/** Octets of the tag of AES-GCM, which follows the ciphertext. */
export const TAG_BYTES = 16;
const HMAC = { name: "HMAC", hash: "SHA-256", length: 256 };
const OPERATOR = {
  name: "HKDF",
  hash: "SHA-256",
  salt: new Uint8Array(),
  info: new TextEncoder().encode("sealpost operator key 1"),
};
const KEY_ID = /^[A-Za-z0-9_-]{1,32}$/;

/** The keys that encrypt and decrypt secrets at rest. Their bytes cannot be read back. */
export class Keyring {
  /** The ID of every key; the first key encrypts. */
  readonly ids: readonly [string, ...string[]];
  readonly #bytes: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  readonly #keys = new Map<string, KeyPurposes>();

  constructor(first: KeyEntry, ...others: readonly KeyEntry[]) {
    this.ids = [first.id, ...others.map((entry) => entry.id)];
    this.#bytes = new Map([first, ...others].map(({ id, bytes }) => [id, bytes]));
  }

  /** ID of the key that encrypts. */
  get sealingId(): string {
    return this.ids[0];
  }

  /**
   * Returns the key that encrypts.
   * @throws {SealpostError} `unsealable` if the ring has no key with this ID.
   */
  async key(id: string): Promise<CryptoKey> {
    return (await this.#imported(id)).sealing;
  }

  /**
   * Creates what decrypts one value. WebCrypto takes several times as long to pass a short one to another thread, and a
   * worker decrypts thousands of messages a second.
   * @throws {SealpostError} `unsealable` if the ring has no key with this ID.
   */
  async decipher(id: string, nonce: Uint8Array): Promise<DecipherGCM> {
    const { opening } = await this.#imported(id);
    return createDecipheriv("aes-256-gcm", opening, nonce, { authTagLength: TAG_BYTES });
  }

  /**
   * Derives the key that signs and verifies the calls of the operator (HKDF, RFC 5869).
   * @throws {SealpostError} `unsealable` if the ring has no key with this ID.
   */
  async operatorKey(id: string): Promise<CryptoKey> {
    const { derivation } = await this.#imported(id);
    return crypto.subtle.deriveKey(OPERATOR, derivation, HMAC, false, ["sign", "verify"]);
  }

  async #imported(id: string): Promise<KeyPurposes> {
    const known = this.#keys.get(id);
    if (known) return known;
    const bytes = this.#bytes.get(id);
    if (bytes === undefined) throw new SealpostError("unsealable", `SEALPOST_KEYS has no key "${id}"`);
    // Cache the key, not its promise: on Workers, a request must not wait for a promise of another. Each import has a copy,
    // because the first one to end erases the bytes.
    const imported = await importKey(bytes.slice());
    const keys = this.#keys.get(id) ?? imported;
    this.#keys.set(id, keys);
    bytes.fill(0);
    return keys;
  }
}

/** One key, imported for each of its purposes. */
interface KeyPurposes {
  readonly sealing: CryptoKey;
  readonly opening: KeyObject;
  readonly derivation: CryptoKey;
}

interface KeyEntry {
  readonly id: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Parses `SEALPOST_KEYS`: `id:base64(32 bytes)`, comma-separated or one a line. The first encrypts, all decrypt.
 * @throws {SealpostError} `bad_setting`; the message never repeats key material.
 */
export function parseKeyring(text: string): Keyring {
  const [first, ...others] = text
    .trim()
    .split(/[,\n]\s*/)
    .map(parseEntry);
  if (first === undefined) throw invalidKeys("is empty");
  const ids = [first, ...others].map((entry) => entry.id);
  const repeated = ids.find((id, index) => ids.indexOf(id) !== index);
  if (repeated !== undefined) throw invalidKeys(`has the key id "${repeated}" twice`);
  return new Keyring(first, ...others);
}

/** Generates a key as one entry of `SEALPOST_KEYS`. */
export function generateKey(id: string, { randomBytes }: Pick<Platform, "randomBytes">): string {
  if (!KEY_ID.test(id)) throw new TypeError(`Not a key id: "${id}"`);
  return `${id}:${randomBytes(KEY_BYTES).toBase64()}`;
}

function parseEntry(text: string, index: number): KeyEntry {
  const where = `entry ${index + 1}`;
  const [id = "", base64, ...rest] = text.trim().split(":");
  if (base64 === undefined || rest.length > 0) throw invalidKeys(`${where} must be "id:base64 of 32 bytes"`);
  if (!KEY_ID.test(id)) throw invalidKeys(`${where} must have an id of 1 to 32 letters, digits, "_" or "-"`);
  const bytes = decoded(base64);
  if (bytes?.length !== KEY_BYTES) throw invalidKeys(`key "${id}" must be base64 of 32 bytes`);
  return { id, bytes };
}

function decoded(base64: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.fromBase64(base64);
  } catch {
    // The error may quote the key, so it is not passed on.
    return null;
  }
}

function invalidKeys(problem: string): SealpostError {
  return new SealpostError("bad_setting", `SEALPOST_KEYS: ${problem}`, { parameter: "SEALPOST_KEYS" });
}

/** Imports a key, then erases these bytes. */
async function importKey(bytes: Uint8Array<ArrayBuffer>): Promise<KeyPurposes> {
  const sealing = await crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt"]);
  const derivation = await crypto.subtle.importKey("raw", bytes, "HKDF", false, ["deriveKey"]);
  const opening = createSecretKey(bytes);
  bytes.fill(0);
  return { sealing, opening, derivation };
}
