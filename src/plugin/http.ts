import { type HttpClient, HttpError, retryAfterMs } from "../contracts/http-client.ts";
import type { HttpOutcome, PluginHttp } from "../contracts/plugin/http.ts";
import { ConnectError } from "../contracts/transport.ts";

/** Nothing of a response is shown or kept. */
const MAX_RESPONSE_BYTES = 65_536;

/** Creates the `http` capability. */
export function createPluginHttp(http: HttpClient, now: () => Date): PluginHttp {
  return {
    async post({ url, headers, body, timeoutMs, signal }) {
      const timeout = AbortSignal.timeout(timeoutMs);
      const bounds = {
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
        maxResponseBytes: MAX_RESPONSE_BYTES,
      };
      try {
        const response = await http({ url, method: "POST", headers, body }, bounds);
        const delayMs = retryAfterMs(response.headers, now().getTime());
        return { status: response.status, code: null, retryAfterMs: delayMs };
      } catch (error) {
        return failureOf(error, signal);
      }
    },
  };
}

function failureOf(error: unknown, signal: AbortSignal | undefined): HttpOutcome {
  const isKnown = error instanceof HttpError || error instanceof ConnectError;
  const status = error instanceof HttpError ? error.status : null;
  // The client rejects with the reason of the signal if it was aborted before anything was written.
  const code = isKnown ? error.code : signal?.aborted ? "cancelled" : "timeout";
  return { status, code, retryAfterMs: null };
}
