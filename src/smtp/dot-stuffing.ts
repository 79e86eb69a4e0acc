const LF = 0x0a;
const DOT = 0x2e;
const TERMINATOR = Uint8Array.of(DOT, 0x0d, LF);

/** Mail data as it goes over the wire (RFC 5321 4.5.2): a dot before each leading dot, and the end. */
export function stuffDots(bytes: Uint8Array): Uint8Array {
  const dots = leadingDots(bytes);
  const stuffed = new Uint8Array(bytes.length + dots.length + TERMINATOR.length);
  for (const [before, at] of dots.entries()) {
    stuffed.set(bytes.subarray(dots[before - 1] ?? 0, at), (dots[before - 1] ?? 0) + before);
    stuffed[at + before] = DOT;
  }
  const last = dots.at(-1) ?? 0;
  stuffed.set(bytes.subarray(last), last + dots.length);
  stuffed.set(TERMINATOR, stuffed.length - TERMINATOR.length);
  return stuffed;
}

function leadingDots(bytes: Uint8Array): number[] {
  const dots: number[] = [];
  for (let at = bytes.indexOf(DOT); at >= 0; at = bytes.indexOf(DOT, at + 1)) {
    if (at === 0 || bytes[at - 1] === LF) dots.push(at);
  }
  return dots;
}
