/** Returns a version 4 UUID (RFC 9562 5.4). @param random 16 bytes. */
export function uuidFrom(random: Uint8Array<ArrayBuffer>): string {
  const bytes = new Uint8Array(random);
  const view = new DataView(bytes.buffer);
  view.setUint8(6, (view.getUint8(6) & 0x0f) | 0x40);
  view.setUint8(8, (view.getUint8(8) & 0x3f) | 0x80);
  return bytes.toHex().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
