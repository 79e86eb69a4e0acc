const DOT = 0x2e;
const TERMINATOR = Uint8Array.of(DOT, 0x0d, 0x0a);
const LEADING_DOT = "\n.";

/** Mail data as it goes over the wire (RFC 5321 4.5.2): a dot before each leading dot, and the end. */
export function stuffDots(bytes: Uint8Array): Uint8Array {
  const dots = leadingDots(bytes);
  const stuffed = new Uint8Array(bytes.length + dots.length + TERMINATOR.length);
  stuffed.set(TERMINATOR, stuffed.length - TERMINATOR.length);
  if (dots.length === 0) {
    stuffed.set(bytes);
    return stuffed;
  }
  for (const [before, at] of dots.entries()) {
    stuffed.set(bytes.subarray(dots[before - 1] ?? 0, at), (dots[before - 1] ?? 0) + before);
    stuffed[at + before] = DOT;
  }
  const last = dots.at(-1) ?? 0;
  stuffed.set(bytes.subarray(last), last + dots.length);
  return stuffed;
}

function leadingDots(bytes: Uint8Array): number[] {
  const dots: number[] = bytes[0] === DOT ? [0] : [];
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let end = text.indexOf(LEADING_DOT); end >= 0; end = text.indexOf(LEADING_DOT, end + 1)) {
    dots.push(end + 1);
  }
  return dots;
}
