import type { Platform } from "../contracts/platform.ts";
import { Secret } from "../domain/secret.ts";
import { SealpostError } from "../errors.ts";
import { type Keyring, TAG_BYTES } from "./keyring.ts";

/** The place where a sealed value is stored. It can be opened nowhere else. */
export interface SealContext {
  readonly table: string;
  /** Identifies the row and never changes. */
  readonly row: string;
  readonly column: string;
}

const VERSION = "v1";
/** 96 bits (NIST SP 800-38D). Random nonces are safe for 2^32 values under one key. */
const NONCE_BYTES = 12;
/** Start of `v1.<key id>.<nonce>.<ciphertext and tag>`. Decoding checks the rest, which may have a million characters. */
const START = /^v1\.([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]{16})\./;
const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Encrypts a text with AES-256-GCM under the ring's first key, bound to its table, row and column. An empty text stays
 * empty, so "not set" is visible without a key.
 * @throws {TypeError} for a text with lone surrogates, which UTF-8 cannot represent.
 */
export async function seal(
  keyring: Keyring,
  text: string,
  context: SealContext,
  { randomBytes }: Pick<Platform, "randomBytes">,
): Promise<string> {
  if (text === "") return "";
  if (!text.isWellFormed()) throw new TypeError("Text to seal has a lone surrogate");
  const id = keyring.sealingId;
  const nonce = randomBytes(NONCE_BYTES);
  const key = await keyring.key(id);
  const ciphertext = await crypto.subtle.encrypt(
    { name: "AES-GCM", iv: nonce, additionalData: boundTo(id, context) },
    key,
    utf8.encode(text),
  );
  return [VERSION, id, toBase64url(nonce), toBase64url(new Uint8Array(ciphertext))].join(".");
}

/**
 * Decrypts a result of {@link seal} for the same place.
 * @throws {SealpostError} `unsealable` if the ring lacks the key, or the value was modified or moved.
 */
export async function open(keyring: Keyring, sealed: string, context: SealContext): Promise<Secret> {
  if (sealed === "") return Secret.EMPTY;
  return new Secret(fromUtf8.decode(await openBytes(keyring, sealed, context)));
}

/**
 * Decrypts a result of {@link seal} that is not empty, as the octets of the text in UTF-8.
 * @throws {SealpostError} `unsealable` as {@link open}.
 */
export async function openBytes(
  keyring: Keyring,
  sealed: string,
  context: SealContext,
): Promise<Uint8Array<ArrayBuffer>> {
  const { id, nonce, ciphertext } = parse(sealed) ?? fail(context);
  const decipher = await keyring.decipher(id, nonce);
  const end = ciphertext.length - TAG_BYTES;
  try {
    decipher.setAAD(boundTo(id, context));
    decipher.setAuthTag(ciphertext.subarray(end));
    const octets = decipher.update(ciphertext.subarray(0, end));
    // Throws unless the tag is right. Without padding there are no more octets.
    decipher.final();
    return new Uint8Array(octets.buffer, octets.byteOffset, octets.length);
  } catch (cause) {
    return fail(context, cause);
  }
}

/** Returns the ID of the key that encrypted a value; `null` for an empty or invalid value. */
export function keyIdOf(sealed: string): string | null {
  return parse(sealed)?.id ?? null;
}

function parse(sealed: string) {
  const [start, id, nonceText] = START.exec(sealed) ?? [];
  if (start === undefined || id === undefined || nonceText === undefined) return null;
  const nonce = fromBase64url(nonceText);
  const ciphertext = fromBase64url(sealed.slice(start.length));
  if (nonce === null || ciphertext === null || ciphertext.length < TAG_BYTES) return null;
  return { id, nonce, ciphertext };
}

/** Returns the additional data that binds a value to its key and place. */
function boundTo(id: string, { table, row, column }: SealContext): Uint8Array<ArrayBuffer> {
  // JSON keeps the fields apart; joined strings could be ambiguous.
  return utf8.encode(JSON.stringify([VERSION, id, table, row, column]));
}

function fail({ table, column }: SealContext, cause?: unknown): never {
  const message = `Cannot decrypt ${table}.${column}: the value was modified or moved to another row`;
  throw new SealpostError("unsealable", message, { cause });
}

function toBase64url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** Octets per four characters of base64. */
const GROUP_OCTETS = 3;
const GROUP_CHARACTERS = 4;

/**
 * Returns `null` unless the text is the canonical encoding. The decoder ignores blanks and padding, and the last character
 * can have unused bits.
 */
function fromBase64url(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet: "base64url" });
    if (text.length !== Math.ceil((bytes.length * GROUP_CHARACTERS) / GROUP_OCTETS)) return null;
    const rest = bytes.length % GROUP_OCTETS;
    const end = rest === 0 ? "" : toBase64url(bytes.subarray(-rest));
    return text.endsWith(end) ? bytes : null;
  } catch {
    // The length is impossible for base64.
    return null;
  }
}
