const CR = 0x0d;
const LF = 0x0a;
/** RFC 5322 2.1.1, without the CRLF. */
const MAX_LINE_OCTETS = 998;

const encoder = new TextEncoder();

/**
 * Joins routing fields and an entity to the bytes that a transport sends.
 * @param headers fields, each ended by CRLF, without the empty line: the entity's own header continues them.
 * @param entity `Content-*` fields, empty line, body.
 * @returns the whole message, ending in CRLF.
 * @throws {TypeError} for a bare CR or LF, a NUL, or a line of more than 998 octets.
 */
export function assemble(headers: string, entity: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = encoder.encode(headers);
  const length = head.length + entity.length;
  const bytes = new Uint8Array(length + 2);
  bytes.set(head);
  bytes.set(entity, head.length);
  const endsInCrlf = bytes[length - 2] === CR && bytes[length - 1] === LF;
  bytes.set([CR, LF], length);
  const finished = endsInCrlf ? bytes.subarray(0, length) : bytes;
  checkLines(finished);
  return finished;
}

function checkLines(bytes: Uint8Array): void {
  let lineStart = 0;
  for (let i = 0; i < bytes.length; i++) {
    const octet = bytes[i]!;
    if (octet > CR) continue;
    if (octet === 0) throw new TypeError("The message holds a NUL");
    if (octet === LF) throw new TypeError("The message holds a bare LF");
    if (octet !== CR) continue;
    if (bytes[i + 1] !== LF) throw new TypeError("The message holds a bare CR");
    if (i - lineStart > MAX_LINE_OCTETS)
      throw new TypeError(`A line is longer than ${MAX_LINE_OCTETS} octets`);
    i++;
    lineStart = i + 1;
  }
}
