import type { Platform } from "../contracts/platform.ts";

/** 256 bits cannot be guessed (RFC 6749 10.10). */
const RANDOM_BYTES = 32;
/** Safe in URLs and headers. */
const ENCODING = { alphabet: "base64url", omitPadding: true } as const;

/**
 * Returns SHA-256 of a text, as 43 characters of base64url.
 *
 * It hides only texts that cannot be guessed. A password needs the cost of `hashPassword`. A text of 256 random bits does
 * not, because no one can try that many, so a copy of its hash is worthless.
 */
export async function hashText(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(digest).toBase64(ENCODING);
}

/** Returns 256 random bits, as 43 characters of base64url. */
export function randomText(platform: Pick<Platform, "randomBytes">): string {
  return platform.randomBytes(RANDOM_BYTES).toBase64(ENCODING);
}
