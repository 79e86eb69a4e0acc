const MAX_TIME = 2 ** 48 - 1;

/** Returns a version 4 UUID (RFC 9562 5.4). @param random 16 bytes. */
export function uuidFrom(random: Uint8Array<ArrayBuffer>): string {
  return textOf(new Uint8Array(random), 4);
}

/**
 * Returns a version 7 UUID (RFC 9562 5.7). Rows of one time are neighbors in an index, so that a commit of a hundred
 * rewrites a few of its pages, not a hundred.
 * @param random 16 bytes. The time replaces the first six.
 */
export function timeUuidFrom(time: Date, random: Uint8Array<ArrayBuffer>): string {
  const bytes = new Uint8Array(random);
  const ms = Math.min(Math.max(time.getTime(), 0), MAX_TIME);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.floor(ms / 2 ** 16));
  view.setUint16(4, ms % 2 ** 16);
  return textOf(bytes, 7);
}

function textOf(bytes: Uint8Array<ArrayBuffer>, version: number): string {
  const view = new DataView(bytes.buffer);
  view.setUint8(6, (view.getUint8(6) & 0x0f) | (version << 4));
  view.setUint8(8, (view.getUint8(8) & 0x3f) | 0x80);
  return bytes.toHex().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
