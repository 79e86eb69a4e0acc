/**
 * Every error that Sealpost throws on purpose, in one table: code → HTTP status, number in the envelope,
 * whether the same call may work later. The numbers are those that privacyIDEA clients match on.
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
  /** Somebody may not register, or not so. */
  registration_refused: { status: 400, number: 402, retryable: false },
  /** A user cannot be made, such as one whose name is taken. */
  user_refused: { status: 400, number: 904, retryable: false },
  resource_not_found: { status: 404, number: 601, retryable: false },
  url_not_found: { status: 404, number: 404, retryable: false },
  method_not_allowed: { status: 405, number: 405, retryable: false },
  conflict: { status: 409, number: 409, retryable: true },
  stale: { status: 412, number: 412, retryable: false },
  too_large: { status: 413, number: 413, retryable: false },
  unsupported_media_type: { status: 415, number: 415, retryable: false },
  too_many_tries: { status: 429, number: 429, retryable: true },
  /** More password hashes wait than can be made soon. */
  busy: { status: 503, number: 503, retryable: true },
  /** A plugin did not answer in time. */
  too_slow: { status: 503, number: 503, retryable: true },
  database_unavailable: { status: 503, number: 902, retryable: true },
  internal: { status: 500, number: -500, retryable: false },
  /** A sealed value that no configured key opens, or that belongs to another row. */
  unsealable: { status: 500, number: -500, retryable: false },
  /** A setting that stops the start; never reaches a client. */
  bad_setting: { status: 500, number: -500, retryable: false },
} as const;

export type SealpostErrorCode = keyof typeof TABLE;
export type SealpostErrorStatus = (typeof TABLE)[SealpostErrorCode]["status"];

export interface SealpostErrorOptions extends ErrorOptions {
  /** Name of the parameter or setting that is wrong. */
  readonly parameter?: string;
  /** When the caller may try again. */
  readonly retryAfterSeconds?: number;
}

/** An error with a stable `code`; `message` is fit for the caller, `cause` is for the log only. */
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

  /** HTTP status of the answer that reports this error. */
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

/** `ERR905` for a parameter of the wrong kind; `expected` says what would be right. */
export function invalidParameter(name: string, expected: string): SealpostError {
  return new SealpostError("invalid_parameter", `ERR905: Invalid parameter: ${name}: ${expected}`, {
    parameter: name,
  });
}
