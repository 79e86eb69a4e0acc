import type { FormValues } from "./server-form.ts";

/** Larger files are no keys: 48 KiB as base64 are the most that the API takes as one text. */
const MAX_BYTES = 48 * 1_024;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----\s*/g;

type Identity = Pick<FormValues, "private_key"> | Pick<FormValues, "certificate">;

/**
 * Reads a file with a key, certificates or both: PEM, or PKCS#12.
 * @returns the fields that it fills; `null` for a file that is too large
 */
export async function readIdentityFile(file: File): Promise<Partial<Identity> | null> {
  if (file.size > MAX_BYTES) return null;
  const bytes = new Uint8Array(await file.arrayBuffer());
  const text = new TextDecoder("latin1").decode(bytes);
  const key = (value: string) => ({
    private_key: { isStored: false, action: "change", value, file: file.name } as const,
  });
  // Key and certificates of a PKCS#12 file come out of it on the server, with the passphrase.
  if (!text.includes("-----BEGIN")) return { ...key(base64(bytes)), certificate: "" };
  const keys = text.match(PRIVATE_KEY)?.join("") ?? "";
  const certificate = text.replace(PRIVATE_KEY, "").trim();
  return { ...(keys !== "" && key(keys)), ...(certificate !== "" && { certificate }) };
}

function base64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (octet) => String.fromCharCode(octet)).join(""));
}
