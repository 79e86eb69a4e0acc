import { getLogger } from "@logtape/logtape";
import type { Context, ErrorHandler, Handler, MiddlewareHandler } from "hono";
import { HTTPException } from "hono/http-exception";
import type { AuditLog } from "../access/audit-log.ts";
import type { Env } from "../contracts/env.ts";
import type { Platform } from "../contracts/platform.ts";
import type { AuditTarget } from "../domain/audit.ts";
import { SealpostError, type SealpostErrorCode } from "../errors.ts";
import { failure, noticeDetail } from "./envelope.ts";
import { isReading } from "./request.ts";

const log = getLogger(["sealpost", "http"]);

const NOT_AUTHENTICATED: readonly SealpostErrorCode[] = [
  "missing_authorization",
  "bad_token",
  "expired_token",
  "wrong_role",
  "wrong_credentials",
  "missing_username",
  "too_many_tries",
];
const PARAMETER_ERRORS: readonly SealpostErrorCode[] = ["missing_parameter", "invalid_parameter"];
/** The longest identifier that any route accepts. */
const MAX_IDENTIFIER_CHARACTERS = 255;
/** `Retry-After` of a 503 whose cause has none of its own. */
const UNAVAILABLE_RETRY_SECONDS = 30;

/** Ends the app: no route matches. */
export const urlNotFound: Handler<Env> = () => {
  throw new SealpostError("url_not_found", "No route matches this URL: see /openapi.json");
};

/** Turns every error into an envelope. The response does not show the cause of an unexpected error; the log does. */
export function createErrorHandler(platform: Pick<Platform, "now">): ErrorHandler<Env> {
  return (error, c) => {
    logError(c, error);
    const known = toSealpostError(error);
    const { retryAfterSeconds } = known;
    const retryAfter = retryAfterSeconds ?? (known.status === 503 ? UNAVAILABLE_RETRY_SECONDS : null);
    if (retryAfter !== null) c.header("Retry-After", String(retryAfter));
    if (known.status === 401) c.header("WWW-Authenticate", "Bearer");
    return c.json(failure(known, platform.now(), detailOf(known, c)), known.status);
  };
}

/** Logs an error of a request, unless the caller has caused it. */
export function logError(c: Context<Env>, error: Error): void {
  const { status, code } = toSealpostError(error);
  // Anyone can cause `busy`, and a line for each would fill the log.
  if (status < 500 || code === "busy") return;
  log.error("Request {requestId} failed: {error}", { requestId: c.get("requestId"), error });
}

function detailOf({ number, code }: SealpostError, c: Context<Env>) {
  if (number === -500) return { request_id: c.get("requestId") };
  const isOfAdmin = c.get("actor") !== undefined && !isReading(c);
  if (!isOfAdmin || !PARAMETER_ERRORS.includes(code)) return null;
  // A parameter that is missing often came under another name.
  return noticeDetail(c.get("notices") ?? []) ?? null;
}

/** Writes the audit rows of rejected and failed requests. */
export function auditFailures(auditLog: AuditLog): MiddlewareHandler<Env> {
  return async function auditFailures(c, next) {
    await next();
    if (!c.error) return;
    const error = toSealpostError(c.error);
    try {
      await audit(c, error, auditLog);
    } catch (cause) {
      log.error("Cannot write the audit row of request {requestId}: {cause}", {
        requestId: c.get("requestId"),
        cause,
      });
    }
  };
}

async function audit(c: Context<Env>, error: SealpostError, auditLog: AuditLog): Promise<void> {
  const actor = c.get("actor");
  if (NOT_AUTHENTICATED.includes(error.code)) {
    if (c.get("isAudited")) return;
    const anonymous = { administrator: "", realm: "", client: c.get("clientAddress") ?? "", policies: "" };
    const action = c.get("auditAction") ?? c.req.method;
    await auditLog.notAuthenticated({ ...anonymous, action, requestId: c.get("requestId") }, error.code);
    // A failed read gets a row only if the right is missing.
  } else if (actor && (error.code === "action_denied" || !isReading(c))) {
    const parameter = error.parameter === null ? "" : ` ${error.parameter}`;
    await auditLog.failed(actor, targetOf(c), `${error.code}${parameter}`);
  }
}

/** The name in the path may be invalid, so it is truncated and cleaned for storage. */
function targetOf(c: Context<Env>): AuditTarget {
  const given = c.req.param("identifier") ?? c.req.param("name") ?? "";
  const identifier = given
    .slice(0, MAX_IDENTIFIER_CHARACTERS)
    .toWellFormed()
    .replace(/\p{Cc}/gu, "\ufffd");
  return c.get("auditTarget") ?? { identifier, recipient: "" };
}

const FROM_HTTP: Readonly<Record<number, SealpostErrorCode>> = {
  404: "url_not_found",
  405: "method_not_allowed",
  413: "too_large",
  415: "unsupported_media_type",
};

/** The error that the caller may see. */
function toSealpostError(error: Error): SealpostError {
  if (error instanceof SealpostError) return isInternal(error) ? internal(error) : error;
  const code = error instanceof HTTPException ? FROM_HTTP[error.status] : undefined;
  return code ? new SealpostError(code, error.message, { cause: error }) : internal(error);
}

function isInternal(error: SealpostError): boolean {
  return error.number === -500;
}

function internal(cause: Error): SealpostError {
  return new SealpostError("internal", "Unexpected error: see the log under this request_id", {
    cause,
  });
}
