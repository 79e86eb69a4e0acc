import { HttpError, retryAfterMs } from "../contracts/http-client.ts";
import { ConnectError } from "../contracts/transport.ts";
import { type Failure, type FailureCode, notSent, type OAuthReport } from "../domain/delivery.ts";
import { presentText, secretRedactor } from "../domain/redact.ts";
import { type Exchange, isTimeout } from "./exchange.ts";
import { knownOAuthCode } from "./known-errors.ts";

/** The client, as the report of a failure names it. */
interface ClientIdentity {
  readonly clientId?: string;
  readonly thumbprint?: string;
}

/** A token request that failed, and its exchange. */
interface FailedRequest extends ClientIdentity {
  /** URL of the token endpoint. */
  readonly url: string;
  readonly exchange: Exchange;
}

/** Texts that look like a token, of any client: JWTs, tokens of Google, and long runs of base64url. */
const TOKEN_LIKE = /\beyJ[\w-]{8,}\.[\w.-]+|\bya29\.[\w.-]{8,}|\b1\/\/[\w-]{8,}|[\w-]{64,}/g;
const MAX_CODES = 5;
const MAX_ID_CHARACTERS = 100;

/** Returns the failure of a definition that cannot ask for a token. @param description what to change. */
export function notRequested(url: string, description: string): Failure {
  return failure("oauth_client", { ...blankReport(url), description });
}

/** Returns the failure of a token request that got no token. @param error of the HTTP client, or of the check of the response. */
export function tokenFailure(error: unknown, request: FailedRequest): Failure {
  const { exchange } = request;
  if (exchange.reply !== null) return rejectedRequest(request);
  const isDenied = error instanceof ConnectError && error.code === "egress_denied";
  if (isDenied) return notSent("policy", "egress_denied");
  return failure("oauth_unavailable", { ...reportOf(request), description: interruption(error) });
}

/** Returns the failure for a token that cannot be one. A new one may be better, so it is the endpoint that failed. */
export function unusableToken(request: FailedRequest): Failure {
  const description = "The access token contains characters that a token cannot have";
  return failure("oauth_unavailable", { ...reportOf(request), error: null, description });
}

function rejectedRequest(request: FailedRequest): Failure {
  const { reply } = request.exchange;
  const report = reportOf(request);
  if (reply === null) return failure("oauth_unavailable", report);
  const isBusy = reply.status === 429 || reply.status >= 500;
  const code = isBusy || report.error === null ? "oauth_unavailable" : knownOAuthCode(report);
  const description = report.description ?? unexpected(reply.status, report.error);
  const delayMs = code === "oauth_unavailable" ? retryAfterMs(reply.headers, reply.arrivedAt) : null;
  return { ...failure(code, { ...report, description }), ...(delayMs !== null && { retryAfterMs: delayMs }) };
}

/** Explains a response without `error`. */
function unexpected(status: number, error: string | null): string | null {
  if (error !== null) return null;
  if (status >= 300 && status < 400) return "The token endpoint redirects, which is not followed";
  if (status === 200) return "The response is not a token response (RFC 6749 5.1)";
  return `The response has the status ${status} and no error of OAuth`;
}

function interruption(error: unknown): string {
  if (isTimeout(error)) return "The token endpoint did not respond in time";
  if (error instanceof HttpError && error.code === "too_large") return "The response is larger than 64 KiB";
  if (error instanceof HttpError) return `The connection was lost: ${error.code}`;
  if (error instanceof ConnectError) return `No connection: ${error.code} in phase ${error.phase}`;
  return "The token request failed";
}

function reportOf({ url, exchange, clientId, thumbprint }: FailedRequest): OAuthReport {
  const { reply, secrets } = exchange;
  const redact = redactorOf(secrets);
  const text = (name: string, max?: number): string | null => {
    const value = reply?.members.get(name);
    if (typeof value !== "string" || value === "") return null;
    return presentText(value, redact).slice(0, max);
  };
  const description = text("error_description");
  return {
    ...blankReport(url),
    status: reply?.status ?? null,
    error: text("error", MAX_ID_CHARACTERS),
    codes: codesOf(reply?.members.get("error_codes"), description),
    description,
    traceId: text("trace_id", MAX_ID_CHARACTERS),
    correlationId: text("correlation_id", MAX_ID_CHARACTERS),
    clockSkewSeconds: reply && skewOf(reply.headers, reply.arrivedAt),
    ...(clientId && { clientId }),
    ...(thumbprint && { thumbprint }),
  };
}

function blankReport(url: string): OAuthReport {
  return {
    host: URL.parse(url)?.host ?? "",
    status: null,
    error: null,
    codes: [],
    description: null,
    traceId: null,
    correlationId: null,
    clockSkewSeconds: null,
  };
}

function failure(code: FailureCode, oauth: OAuthReport): Failure {
  return { ...notSent("oauth", code), oauth };
}

/** Creates a function that hides what the request contained, and whatever else looks like a token. */
function redactorOf(secrets: readonly string[]): (text: string) => string {
  const redact = secretRedactor(secrets);
  return (text) => redact(text).replaceAll(TOKEN_LIKE, "[secret]");
}

/** Microsoft lists its numbers in `error_codes`, and starts the description with one. */
function codesOf(numbers: unknown, description: string | null): readonly string[] {
  const listed = Array.isArray(numbers) ? numbers.filter((number) => Number.isSafeInteger(number)) : [];
  const [, named] = /^AADSTS(\d{1,10})\b/.exec(description ?? "") ?? [];
  const all = listed.length === 0 && named !== undefined ? [named] : listed;
  return all.slice(0, MAX_CODES).map((number) => `AADSTS${number}`);
}

/** Returns the clock of the endpoint minus ours, in whole seconds; `null` without a valid Date (RFC 9110 6.6.1). */
function skewOf(headers: Headers, arrivedAt: number): number | null {
  const date = Date.parse(headers.get("date") ?? "");
  return Number.isNaN(date) ? null : Math.floor(date / 1_000) - Math.floor(arrivedAt / 1_000);
}
