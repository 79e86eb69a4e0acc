import { isWholeValue, TAG } from "./der.ts";

const PEM_BEGIN = "-----BEGIN";

/**
 * Returns the text of a file with a key or certificate: UTF-8, UTF-16 with or without byte order mark, or Windows-1252,
 * which is Latin-1 as far as PEM is concerned. A file that is no text becomes base64.
 */
export function readFileText(bytes: Uint8Array<ArrayBuffer>): string {
  if (bytes[0] === TAG.SEQUENCE && isWholeValue(bytes)) return bytes.toBase64();
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return utf16(bytes.subarray(2), 0);
  if (first === 0xfe && second === 0xff) return utf16(bytes.subarray(2), 1);
  const latin1 = new TextDecoder("latin1").decode(bytes);
  if (latin1.includes([...PEM_BEGIN].join("\0"))) return utf16(bytes, latin1.startsWith("\0") ? 1 : 0);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return latin1.includes(PEM_BEGIN) ? latin1 : bytes.toBase64();
  }
}

/** @param low index of the low octet in each unit */
function utf16(bytes: Uint8Array, low: 0 | 1): string {
  // Some programs drop the NUL octets of a form value, and nothing else of it.
  if (!bytes.includes(0)) return new TextDecoder("latin1").decode(bytes);
  const units = Array.from({ length: bytes.length >> 1 }, (_, index) =>
    String.fromCharCode(bytes[2 * index + low]! | (bytes[2 * index + 1 - low]! << 8)),
  );
  return units.join("");
}
