/**
 * Every error that Sealpost throws on purpose, in one table: code → HTTP status, number in the envelope,
 * whether the same call may succeed later. privacyIDEA clients match on the numbers.
 */
const TABLE = {
  missing_authorization: { status: 401, number: 4033, retryable: false },
  bad_token: { status: 401, number: 4304, retryable: false },
  expired_token: { status: 401, number: 4305, retryable: false },
  wrong_role: { status: 401, number: 4306, retryable: false },
  wrong_credentials: { status: 401, number: 4031, retryable: false },
  missing_username: { status: 401, number: 4032, retryable: false },
  action_denied: { status: 403, number: 303, retryable: false },
  missing_parameter: { status: 400, number: 905, retryable: false },
  invalid_parameter: { status: 400, number: 905, retryable: false },
  /** The caller may not register, or not with these data. */
  registration_refused: { status: 400, number: 402, retryable: false },
  /** The user cannot be created, for example because the name is taken. */
  user_refused: { status: 400, number: 904, retryable: false },
  resource_not_found: { status: 404, number: 601, retryable: false },
  url_not_found: { status: 404, number: 404, retryable: false },
  method_not_allowed: { status: 405, number: 405, retryable: false },
  conflict: { status: 409, number: 409, retryable: true },
  stale: { status: 412, number: 412, retryable: false },
  /** The provider or the token endpoint did not complete a sign-in, or granted another mailbox. */
  sign_in_failed: { status: 400, number: 400, retryable: false },
  too_large: { status: 413, number: 413, retryable: false },
  unsupported_media_type: { status: 415, number: 415, retryable: false },
  too_many_tries: { status: 429, number: 429, retryable: true },
  /** Too many password hashes are waiting, or the first admin is still being created. */
  busy: { status: 503, number: 503, retryable: true },
  /** A plugin did not respond in time. */
  too_slow: { status: 503, number: 503, retryable: true },
  database_unavailable: { status: 503, number: 902, retryable: true },
  internal: { status: 500, number: -500, retryable: false },
  /** A stored secret that no configured key decrypts, or that belongs to another row. */
  unsealable: { status: 500, number: -500, retryable: false },
  /** An invalid setting, which stops the start. It never reaches a client. */
  bad_setting: { status: 500, number: -500, retryable: false },
} as const;

export type SealpostErrorCode = keyof typeof TABLE;
export const ERROR_CODES = Object.keys(TABLE) as readonly SealpostErrorCode[];
type SealpostErrorStatus = (typeof TABLE)[SealpostErrorCode]["status"];

interface SealpostErrorOptions extends ErrorOptions {
  /** Name of the invalid parameter or setting. */
  readonly parameter?: string;
  /** Seconds after which the caller may try again. */
  readonly retryAfterSeconds?: number;
}

/**
 * An error with a stable `code`. Its `message` may be shown to the caller; its `cause` is only for the log.
 * @example
 * ```ts
 * await sealpost.submit("main", message).catch((error) => {
 *   if (error instanceof SealpostError && error.code === "invalid_parameter") return showField(error.parameter);
 *   throw error;
 * });
 * ```
 */
export class SealpostError extends Error {
  override readonly name = "SealpostError";
  readonly code: SealpostErrorCode;
  readonly parameter: string | null;
  readonly retryAfterSeconds: number | null;

  constructor(code: SealpostErrorCode, message: string, options: SealpostErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.parameter = options.parameter ?? null;
    this.retryAfterSeconds = options.retryAfterSeconds ?? null;
  }

  /** HTTP status of the response that reports this error. */
  get status(): SealpostErrorStatus {
    return TABLE[this.code].status;
  }

  /** `result.error.code` of the envelope. */
  get number(): number {
    return TABLE[this.code].number;
  }

  get retryable(): boolean {
    return TABLE[this.code].retryable;
  }
}

/** `ERR905` for a required parameter that is absent, null or empty. */
export function missingParameter(name: string): SealpostError {
  return new SealpostError("missing_parameter", `ERR905: Missing parameter: ${name}`, { parameter: name });
}

/** `ERR905` for an invalid parameter; `expected` completes the message: `port: expected a whole number`. */
export function invalidParameter(name: string, expected: string): SealpostError {
  return new SealpostError("invalid_parameter", `ERR905: Invalid parameter: ${name}: ${expected}`, {
    parameter: name,
  });
}

/** The error for an admin without a right. */
export function missingRight(right: string): SealpostError {
  return new SealpostError(
    "action_denied",
    `Admin actions are defined, but the action ${right} is not allowed!`,
  );
}

/** Returns the error for a body whose client disconnected before its end. Each runtime has an error of its own for it. */
export function incompleteBody(cause: unknown): SealpostError {
  if (cause instanceof SealpostError) return cause;
  return invalidParameter("body", "expected all of it, but the client disconnected");
}

/** Returns an error that rejects what the caller sent. @throws {unknown} any other error. */
export function asRejection(error: unknown): SealpostError {
  if (error instanceof SealpostError && error.status < 500) return error;
  throw error;
}
