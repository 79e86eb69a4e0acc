import type { FailureCode, Phase } from "../domain/delivery.ts";

export interface HttpRequest {
  readonly url: URL;
  readonly method: "POST" | "GET";
  readonly headers: Readonly<Record<string, string>>;
  /** Empty for GET. */
  readonly body: Uint8Array<ArrayBuffer> | string;
}

export interface HttpOptions {
  readonly signal: AbortSignal;
  readonly maxResponseBytes: number;
  /** Called with `dns` and `connect`, if the runtime shows them, then with `data` before the first byte is written. */
  readonly onPhase?: (phase: Phase) => void;
}

/**
 * Sends one request under the egress policy: `https:`, or `http:` to loopback while the policy is `private`. Follows no
 * redirect, and reads the whole response.
 * @throws {ConnectError} if nothing of the request was written: `egress_denied`, or a failure to connect.
 * @throws {HttpError} if some of it was written and no complete response followed.
 * @throws the signal's reason if it is aborted before the first byte is written.
 */
export type HttpClient = (request: HttpRequest, options: HttpOptions) => Promise<Response>;

/** Thrown by an {@link HttpClient} for a request that was written, at least in part. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  /** `timeout` or `cancelled` if the signal was aborted, `too_large` for a response over the limit, else what failed. */
  readonly code: FailureCode;
  /** Whether the last byte of the request was written, so that the server may have acted on it. */
  readonly isComplete: boolean;
  /** Status of the response, if its header section arrived. */
  readonly status: number | null;

  constructor(
    code: FailureCode,
    { isComplete, status = null, cause }: Pick<HttpError, "isComplete"> & Partial<HttpError>,
  ) {
    super(`No complete response: ${code}`, { cause });
    this.code = code;
    this.isComplete = isComplete;
    this.status = status;
  }
}
