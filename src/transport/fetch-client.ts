import { type HttpClient, HttpError } from "../contracts/http-client.ts";
import type { EgressPolicy } from "../domain/network.ts";
import { createResponse, type HttpProgress, httpErrorOf, readBounded } from "./http-response.ts";
import { httpTarget } from "./http-target.ts";

/**
 * Creates the {@link HttpClient} of runtimes that only have `fetch`, such as Cloudflare Workers. The platform resolves
 * names, so the policy applies to URLs, ports and literal addresses. It does not report how far a failed request got:
 * every failure is an {@link HttpError} of a request that may have arrived.
 */
export function createFetchClient(policy: EgressPolicy): HttpClient {
  return async ({ url, method, headers, body }, { signal, maxResponseBytes, onPhase, onComplete }) => {
    httpTarget(url, policy);
    signal.throwIfAborted();
    onPhase?.("data");
    onComplete?.();
    const progress: HttpProgress = { isComplete: true, status: null };
    try {
      const init = { method, headers, redirect: "manual", signal } as const;
      const response = await fetch(url, method === "GET" ? init : { ...init, body });
      progress.status = response.status;
      const bytes = await readBounded(response.body ?? [], maxResponseBytes, progress);
      return createResponse(bytes, response.headers, progress);
    } catch (cause) {
      throw httpErrorOf(cause, signal, progress);
    }
  };
}
