import type { Socket } from "node:net";
import type { DialedAddress, FailureCode, Phase } from "../domain/delivery.ts";

const MAX_RETRY_AFTER_MS = 24 * 3_600_000;

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
  /**
   * Called with `dns` and `connect`, if the runtime shows them, then with `data` before the first byte is written. If it
   * throws, nothing more happens.
   */
  readonly onPhase?: (phase: Phase) => void;
  /** Called for each IP address dialed, if the runtime shows it. */
  readonly onDialed?: (dialed: DialedAddress) => void;
  /** Called with the connected socket, if the runtime shows it. */
  readonly onSocket?: (socket: Socket) => void;
  /** Called before the last byte of the request is written: from now on, only the response decides the outcome. */
  readonly onComplete?: () => void;
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

/**
 * Returns the delay of `Retry-After` (RFC 9110 10.2.3) in milliseconds, at most a day; `null` without a valid one. A date
 * is compared with the clock of the server, if the response has its `Date`.
 * @param nowMs the own clock, in milliseconds since the epoch.
 */
export function retryAfterMs(headers: Headers, nowMs: number): number | null {
  const value = headers.get("retry-after")?.trim() ?? "";
  const dateMs = Date.parse(headers.get("date") ?? "");
  const delayMs = /^\d{1,10}$/.test(value)
    ? Number(value) * 1_000
    : Date.parse(value) - (Number.isNaN(dateMs) ? nowMs : dateMs);
  return Number.isNaN(delayMs) ? null : Math.min(MAX_RETRY_AFTER_MS, Math.max(0, delayMs));
}
