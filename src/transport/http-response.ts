import { HttpError } from "../contracts/http-client.ts";
import { failureCodeOf } from "./socket-errors.ts";

/** Progress of a request, for the error that ends it. */
export interface HttpProgress {
  isComplete: boolean;
  status: number | null;
}

/** RFC 9110 15.3.5, 15.3.6 and 15.4.5: responses without a body, of which `Response` takes none. */
const BODILESS: readonly number[] = [204, 205, 304];

/** Names of the errors with which a signal is aborted when a time is over. */
const TIMEOUT = /Timeout/;

/** @throws {HttpError} `too_large` for a body over the limit, of which the rest is not read. */
export async function readBounded(
  body: AsyncIterable<Uint8Array> | readonly Uint8Array[],
  maxBytes: number,
  progress: HttpProgress,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBytes) throw new HttpError("too_large", progress);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/** @throws {HttpError} `protocol` for a status or header field that HTTP does not have. */
export function createResponse(
  body: Uint8Array<ArrayBuffer>,
  headers: Iterable<[string, string]>,
  progress: HttpProgress,
): Response {
  const status = progress.status ?? 0;
  try {
    return new Response(BODILESS.includes(status) ? null : body, {
      status,
      headers: new Headers([...headers]),
    });
  } catch (cause) {
    throw new HttpError("protocol", { ...progress, cause });
  }
}

/** Returns the error of a request that was written, at least in part. */
export function httpErrorOf(cause: unknown, signal: AbortSignal, progress: HttpProgress): HttpError {
  if (cause instanceof HttpError) return cause;
  return new HttpError(signal.aborted ? abortCode(signal.reason) : failureCodeOf(cause), {
    ...progress,
    cause,
  });
}

function abortCode(reason: unknown): "timeout" | "cancelled" {
  return reason instanceof Error && TIMEOUT.test(reason.name) ? "timeout" : "cancelled";
}
