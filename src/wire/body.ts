import { SealpostError } from "../errors.ts";

/** 256 KiB, the limit of routes without their own: ten times the size of a key with its certificate chain. */
export const MAX_BODY_BYTES = 256 * 1024;

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

/** Asserts that the body of a request is not declared to be larger. @throws {SealpostError} `too_large`. */
export function assertLength({ headers }: Request, maxBytes: number): void {
  if (Number(headers.get("Content-Length")) > maxBytes) throw bodyTooLarge(maxBytes);
}

export function bodyTooLarge(maxBytes: number): SealpostError {
  return new SealpostError("too_large", `The body is larger than ${maxBytes} bytes`);
}
