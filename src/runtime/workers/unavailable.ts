import { getLogger } from "@logtape/logtape";
import { SealpostError } from "../../errors.ts";
import { failure } from "../../wire/envelope.ts";
import { API_HEADERS } from "../../wire/request.ts";
import { PLATFORM as platform } from "../platform.ts";

const log = getLogger(["sealpost", "entry"]);
/** Time to set a binding that is missing. */
const SETUP_RETRY_SECONDS = 60;

/** The response of an instance that cannot start. Only the log names invalid settings. */
export function unavailable(cause: unknown): Response {
  const isUnavailable = cause instanceof SealpostError && cause.code === "database_unavailable";
  const error = isUnavailable ? cause : notSetUp(cause);
  log.error("This instance cannot start: {message}", {
    message: cause instanceof Error ? cause.message : String(cause),
    cause,
  });
  const retryAfter = String(error.retryAfterSeconds ?? SETUP_RETRY_SECONDS);
  return errorResponse(error, { "Retry-After": retryAfter });
}

/** The response to a request that no instance handles. */
export function errorResponse(
  error: SealpostError,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const { status, retryAfterSeconds } = error;
  return Response.json(failure(error, platform.now(), null), {
    status,
    headers: {
      ...API_HEADERS,
      ...(retryAfterSeconds !== null && { "Retry-After": String(retryAfterSeconds) }),
      ...headers,
    },
  });
}

function notSetUp(cause: unknown): SealpostError {
  return new SealpostError("database_unavailable", "This instance is not set up yet: see its log", {
    cause,
    retryAfterSeconds: SETUP_RETRY_SECONDS,
  });
}

/**
 * Whether the platform rejected a call before the object received it, because too many calls wait for the object. The
 * property `overloaded` alone does not say so: an object that was ended for its memory or time has it, too, and may have
 * done its work.
 */
export function isRejectedCall(error: unknown): boolean {
  if (!(error instanceof Error) || !error.message.startsWith("Durable Object is overloaded.")) return false;
  const isOverloaded = "overloaded" in error && error.overloaded === true;
  return isOverloaded && !("durableObjectReset" in error && error.durableObjectReset === true);
}
