import type { Platform } from "../contracts/platform.ts";
import { Secret } from "../domain/secret.ts";
import { SealpostError } from "../errors.ts";
import type { Keyring } from "./keyring.ts";

/** Where a sealed value is stored; it opens nowhere else. */
export interface SealContext {
  readonly table: string;
  /** The row's identity, which never changes. */
  readonly row: string;
  readonly column: string;
}

const VERSION = "v1";
/** NIST SP 800-38D: 96 bits; random ones are safe for 2^32 values under one key. */
const NONCE_BYTES = 12;
/** `v1.<key id>.<nonce>.<ciphertext and tag>`: 16 characters of nonce, at least 22 of tag. */
const SEALED = /^v1\.([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{22,})$/;

/**
 * Seals a text for one place: AES-256-GCM under the ring's first key. The empty text stays empty, so that
 * "no secret" can be seen without a key.
 * @throws {TypeError} for a text with lone surrogates, which would not come back as it was.
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
    gcm(nonce, id, context),
    key,
    new TextEncoder().encode(text),
  );
  return [VERSION, id, toBase64url(nonce), toBase64url(new Uint8Array(ciphertext))].join(".");
}

/**
 * Opens what {@link seal} sealed for the same place.
 * @throws {SealpostError} `unsealable` when the ring lacks the key, and when the value was changed or moved.
 */
export async function open(keyring: Keyring, sealed: string, context: SealContext): Promise<Secret> {
  if (sealed === "") return Secret.EMPTY;
  const { id, nonce, ciphertext } = parse(sealed) ?? refuse(context);
  const key = await keyring.key(id);
  try {
    const text = await crypto.subtle.decrypt(gcm(nonce, id, context), key, ciphertext);
    return new Secret(new TextDecoder("utf-8", { ignoreBOM: true }).decode(text));
  } catch (cause) {
    return refuse(context, cause);
  }
}

/** Id of the key that sealed a value; null for the empty value and for what is no sealed value. */
export function keyIdOf(sealed: string): string | null {
  return parse(sealed)?.id ?? null;
}

function parse(sealed: string) {
  const [, id, nonceText, ciphertextText] = SEALED.exec(sealed) ?? [];
  if (id === undefined || nonceText === undefined || ciphertextText === undefined) return null;
  const nonce = fromBase64url(nonceText);
  const ciphertext = fromBase64url(ciphertextText);
  return nonce === null || ciphertext === null ? null : { id, nonce, ciphertext };
}

function gcm(nonce: Uint8Array<ArrayBuffer>, id: string, { table, row, column }: SealContext) {
  // JSON, because joined strings would let one field run into the next.
  const bound = JSON.stringify([VERSION, id, table, row, column]);
  return { name: "AES-GCM", iv: nonce, additionalData: new TextEncoder().encode(bound) };
}

function refuse({ table, column }: SealContext, cause?: unknown): never {
  const message = `A sealed value of ${table}.${column} does not open: it was changed or moved`;
  throw new SealpostError("unsealable", message, { cause });
}

function toBase64url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** Octets that four characters stand for. */
const GROUP_OCTETS = 3;

/** Null for a text that is not the one encoding of its bytes: the last character can have idle bits. */
function fromBase64url(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet: "base64url" });
    const rest = bytes.length % GROUP_OCTETS;
    const end = rest === 0 ? "" : toBase64url(bytes.subarray(-rest));
    return text.endsWith(end) ? bytes : null;
  } catch {
    // Only a length that no bytes have gets here.
    return null;
  }
}
