import type { FailureCode } from "../../domain/delivery.ts";

export interface PluginHttpRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Bound of the whole request, in milliseconds. */
  readonly timeoutMs: number;
  /** Aborts the request. */
  readonly signal?: AbortSignal | undefined;
}

/** The outcome of a request. The body of the response is read up to a limit, and dropped. */
export interface HttpOutcome {
  /** Status of the response; `null` if none arrived. */
  readonly status: number | null;
  /** The failure, if no complete response arrived; otherwise `null`. */
  readonly code: FailureCode | null;
  /** Delay that the response asks for by `Retry-After`, in milliseconds; `null` if it has none. */
  readonly retryAfterMs: number | null;
}

/**
 * Posts to an HTTP server under the egress policy: `https:`, or `http:` to loopback while the policy is `private`. Every
 * resolved address is checked, and the checked one is dialed, except on Workers, where the platform resolves names. It
 * follows no redirect. A failure is an outcome, never an exception.
 */
export interface PluginHttp {
  post(request: PluginHttpRequest): Promise<HttpOutcome>;
}
