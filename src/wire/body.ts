import { SealpostError } from "../errors.ts";

/**
 * Reads the body of a request.
 * @throws {SealpostError} `too_large`, without reading on.
 */
export async function readBody({ body }: Request, maxBytes: number): Promise<Buffer<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of body ?? []) {
    size += piece.length;
    if (size > maxBytes) throw bodyTooLarge(maxBytes);
    pieces.push(piece);
  }
  return Buffer.concat(pieces, size);
}

export function bodyTooLarge(maxBytes: number): SealpostError {
  return new SealpostError("too_large", `The body is larger than ${maxBytes} bytes`);
}
