import { SealpostError, type SealpostErrorCode } from "../errors.ts";

/** Commits take milliseconds, so a lock is usually free by then. */
const BUSY_RETRY_SECONDS = 1;
/** Gives an operator or a server time to recover, and keeps clients from retrying too often. */
const BROKEN_RETRY_SECONDS = 30;

interface Meaning {
  readonly code: SealpostErrorCode;
  readonly message: string;
  readonly retryAfterSeconds?: number;
}

const broken = (message: string): Meaning => ({
  code: "database_unavailable",
  message,
  retryAfterSeconds: BROKEN_RETRY_SECONDS,
});
const BUSY: Meaning = {
  code: "database_unavailable",
  message: "The database is busy: try again in a moment",
  retryAfterSeconds: BUSY_RETRY_SECONDS,
};
const CANNOT_OPEN = broken(
  "The database file cannot be opened: check that its folder exists and is writable",
);
const FILE_GONE = broken(
  "The database file or its log was deleted, replaced or emptied while it was open: put the right files in their place, then restart",
);
const CLOSED: Meaning = { code: "database_unavailable", message: "The database has been closed" };
const INVALID_URL: Meaning = {
  code: "bad_setting",
  message: "SEALPOST_DATABASE_URL must be a libsql:, https:, http: or file: URL without unknown parameters",
};
const UNREACHABLE = broken(
  "The database server does not respond: check SEALPOST_DATABASE_URL and SEALPOST_DATABASE_TOKEN",
);

/** A server did not respond to a request that had left for it, so that a commit in it may have succeeded. */
class ResponseLostError extends SealpostError {}

/** SQLite's primary result codes, and the driver's own, that do not depend on the statement. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  SQLITE_BUSY: BUSY,
  SQLITE_LOCKED: BUSY,
  SQLITE_FULL: broken("The disk that holds the database is full: free some space"),
  SQLITE_READONLY: broken(
    "The database file cannot be written: check its permissions and those of its folder",
  ),
  SQLITE_PERM: CANNOT_OPEN,
  SQLITE_CANTOPEN: CANNOT_OPEN,
  SQLITE_NOTADB: broken("The database file is not a database: check SEALPOST_DATABASE_URL"),
  SQLITE_CORRUPT: broken("The database file is damaged: restore it from a backup"),
  SQLITE_IOERR: broken("The disk that holds the database reports errors: check the disk"),
  URL_INVALID: INVALID_URL,
  URL_PARAM_NOT_SUPPORTED: INVALID_URL,
  URL_SCHEME_NOT_SUPPORTED: INVALID_URL,
};

/** Codes in a response of a remote database. Any other error happened on the way. */
const SQL_CODE = /^SQL(ITE)?_/;

/** HTTP status of a server that is too busy to process a request. */
const TOO_MANY_REQUESTS = 429;

/** Returns SQLite's primary result code, or the driver's own. Empty for an error without a code. */
function resultCode(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (typeof code !== "string") return "";
  // Servers may return the extended code, such as SQLITE_CONSTRAINT_UNIQUE.
  return /^SQLITE_[A-Z]+/.exec(code)?.[0] ?? code;
}

/** How SQLite in a Durable Object ends its messages; the errors have no code. */
const CODE_IN_MESSAGE = /: (SQLITE_[A-Z]+)(?: \(extended: \w+\))?$/;

/** Gives an error of a Durable Object's storage the code that other drivers' errors have. */
export function withResultCode(error: unknown): unknown {
  const code = error instanceof Error ? CODE_IN_MESSAGE.exec(error.message)?.[1] : undefined;
  return error instanceof Error && code !== undefined ? Object.assign(error, { code }) : error;
}

/** Whether a UNIQUE, PRIMARY KEY, NOT NULL, CHECK or FOREIGN KEY constraint rejected a write. */
export function isConstraintError(error: unknown): boolean {
  return resultCode(error) === "SQLITE_CONSTRAINT";
}

/** Whether the database rejected a statement for its text or its values. */
export function isRejectedStatement(error: unknown): boolean {
  return /^(?:UNKNOWN_)?SQL/.test(resultCode(error));
}

/** Returns the database's own message: that of the innermost cause. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message;
}

/** Whether another connection held a lock, so that nothing was done and the call can be repeated. */
export function isBusy(error: unknown): boolean {
  const code = resultCode(error);
  return code === "SQLITE_BUSY" || code === "SQLITE_LOCKED";
}

/** Whether a server rejected a request because of its load. */
export function isOverloaded(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : null;
  return cause instanceof Error && "status" in cause && cause.status === TOO_MANY_REQUESTS;
}

/** Whether the database itself is unavailable, so that any other statement would fail the same way. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof SealpostError && error.code === "database_unavailable";
}

/** Whether the database stayed busy until a timeout: nothing was done, and the call can be repeated. */
export function isNothingDone(error: unknown): boolean {
  return isUnavailable(error) && error instanceof Error && (isBusy(error.cause) || isOverloaded(error.cause));
}

/** Whether the response to a commit may be lost, as this error or one that caused it says. */
export function isResponseLost(error: unknown): boolean {
  if (error instanceof ResponseLostError) return true;
  return error instanceof Error && isResponseLost(error.cause);
}

/** Whether a file is something other than a database. */
export function isNotDatabase(error: unknown): boolean {
  return error instanceof SealpostError && resultCode(error.cause) === "SQLITE_NOTADB";
}

/** Index of the statement of a batch that an error is about; `null` if it is about none of them. */
export function failedStatement(error: unknown): number | null {
  const index = error instanceof Error && "statementIndex" in error ? error.statementIndex : null;
  return typeof index === "number" ? index : null;
}

/** Returns what to throw for an error of a local database. Errors of the statement itself stay as they are. */
export function localError(error: unknown): unknown {
  const meaning = MEANINGS[resultCode(error)];
  return meaning === undefined ? error : explain(meaning, error);
}

/** Returns what to throw when a local database did not open: the driver's error has no code there. */
export function openError(error: unknown): unknown {
  return resultCode(error) === "" ? explain(CANNOT_OPEN, error) : localError(error);
}

/** Returns what to throw for an error of a remote database. */
export function remoteError(error: unknown): unknown {
  const code = resultCode(error);
  if (MEANINGS[code] !== undefined || SQL_CODE.test(code)) return localError(error);
  return explain(UNREACHABLE, error, isOverloaded(error) ? SealpostError : ResponseLostError);
}

/** The error of every operation after the open file or its log was deleted, replaced or emptied. */
export function fileGoneError(): SealpostError {
  return explain(FILE_GONE, undefined);
}

/** The error of every operation after the database was closed. */
export function closedError(): SealpostError {
  return explain(CLOSED, undefined);
}

/** The error of a commit that waited for too long and did not start. */
export function busyError(): SealpostError {
  return explain(BUSY, Object.assign(new Error("The commit did not start in time"), { code: "SQLITE_BUSY" }));
}

/** The error of a commit whose request was cut off. The commit may have succeeded. */
export function abandonedError(): SealpostError {
  return explain(UNREACHABLE, undefined, ResponseLostError);
}

/** The error for a URL that no driver supports. */
export function invalidUrlError(cause?: unknown): SealpostError {
  return explain(INVALID_URL, cause);
}

function explain(
  { code, message, retryAfterSeconds }: Meaning,
  cause: unknown,
  ErrorClass = SealpostError,
): SealpostError {
  return new ErrorClass(code, message, {
    ...(cause === undefined ? {} : { cause }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}
