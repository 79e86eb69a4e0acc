import { incompleteBody, SealpostError } from "../errors.ts";

/** 256 KiB, the limit of routes without their own: ten times the size of a key with its certificate chain. */
export const MAX_BODY_BYTES = 256 * 1024;

/**
 * Reads the body of a request. Copies what arrives, because a client can send octets one by one.
 * @throws {SealpostError} `too_large`, without reading on; `invalid_parameter` if the client disconnects meanwhile.
 */
export async function readBody({ body }: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  let bytes = new Uint8Array(0);
  let size = 0;
  const read = async () => {
    for await (const piece of body ?? []) {
      const end = size + piece.length;
      if (end > maxBytes) throw bodyTooLarge(maxBytes);
      if (end > bytes.length) {
        const grown = new Uint8Array(Math.min(maxBytes, Math.max(end, bytes.length * 2)));
        grown.set(bytes.subarray(0, size));
        bytes = grown;
      }
      bytes.set(piece, size);
      size = end;
    }
  };
  await read().catch((error) => {
    throw incompleteBody(error);
  });
  return bytes.subarray(0, size);
}

export function bodyTooLarge(maxBytes: number): SealpostError {
  return new SealpostError("too_large", `The body is larger than ${maxBytes} bytes`);
}
