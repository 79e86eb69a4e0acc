import type { Platform } from "../contracts/platform.ts";
import { SealpostError } from "../errors.ts";

/** AES-256. */
const KEY_BYTES = 32;
const KEY_ID = /^[A-Za-z0-9_-]{1,32}$/;

/** The keys that seal and open secrets at rest; their bytes cannot be read back. */
export class Keyring {
  /** Every key's id; the first one seals. */
  readonly ids: readonly [string, ...string[]];
  readonly #bytes: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  readonly #keys = new Map<string, CryptoKey>();

  constructor(first: KeyEntry, ...others: readonly KeyEntry[]) {
    this.ids = [first.id, ...others.map((entry) => entry.id)];
    this.#bytes = new Map([first, ...others].map(({ id, bytes }) => [id, bytes]));
  }

  /** Id of the key that seals. */
  get sealingId(): string {
    return this.ids[0];
  }

  /** @throws {SealpostError} `unsealable` when the ring has no key of this id. */
  async key(id: string): Promise<CryptoKey> {
    const known = this.#keys.get(id);
    if (known) return known;
    const bytes = this.#bytes.get(id);
    if (bytes === undefined) throw new SealpostError("unsealable", `SEALPOST_KEYS has no key "${id}"`);
    // Kept when it is there and not before: on Workers one request must not wait for what another has begun.
    const key = await imported(bytes);
    this.#keys.set(id, key);
    return key;
  }
}

interface KeyEntry {
  readonly id: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Reads `SEALPOST_KEYS`: `id:base64(32 bytes)`, comma separated; the first seals, all open.
 * @throws {SealpostError} `bad_setting`; the message never repeats key material.
 */
export function parseKeyring(text: string): Keyring {
  const [first, ...others] = text.split(",").map(parseEntry);
  if (first === undefined) throw badKeys("is empty");
  const ids = [first, ...others].map((entry) => entry.id);
  const repeated = ids.find((id, index) => ids.indexOf(id) !== index);
  if (repeated !== undefined) throw badKeys(`has the key id "${repeated}" twice`);
  return new Keyring(first, ...others);
}

/** A fresh key as one entry of `SEALPOST_KEYS`. */
export function generateKey(id: string, { randomBytes }: Pick<Platform, "randomBytes">): string {
  if (!KEY_ID.test(id)) throw new TypeError(`Not a key id: "${id}"`);
  return `${id}:${randomBytes(KEY_BYTES).toBase64()}`;
}

function parseEntry(text: string, index: number): KeyEntry {
  const where = `entry ${index + 1}`;
  const [id = "", base64, ...rest] = text.trim().split(":");
  if (base64 === undefined || rest.length > 0) throw badKeys(`${where} must be "id:base64 of 32 bytes"`);
  if (!KEY_ID.test(id)) throw badKeys(`${where} must have an id of 1 to 32 letters, digits, "_" or "-"`);
  const bytes = decoded(base64);
  if (bytes?.length !== KEY_BYTES) throw badKeys(`key "${id}" must be base64 of 32 bytes`);
  return { id, bytes };
}

function decoded(base64: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.fromBase64(base64);
  } catch {
    // The error may quote the key: it goes no further.
    return null;
  }
}

function badKeys(problem: string): SealpostError {
  return new SealpostError("bad_setting", `SEALPOST_KEYS: ${problem}`, { parameter: "SEALPOST_KEYS" });
}

async function imported(bytes: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  const key = await crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);
  bytes.fill(0);
  return key;
}
