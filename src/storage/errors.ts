import { SealpostError, type SealpostErrorCode } from "../errors.ts";

/** After this long a lock is usually gone: commits take milliseconds. */
const BUSY_RETRY_SECONDS = 1;
/** Long enough for somebody to free a disk or for a server to come back; clients should not hammer meanwhile. */
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
  message: "The database is busy; try again in a moment",
  retryAfterSeconds: BUSY_RETRY_SECONDS,
};
const CANNOT_OPEN = broken(
  "The database file cannot be opened; check that its directory exists and may be written",
);
const BAD_URL: Meaning = {
  code: "bad_setting",
  message: "SEALPOST_DATABASE_URL must be a libsql:, https:, http: or file: URL without unknown parameters",
};
const UNREACHABLE = broken(
  "The database server does not answer; check SEALPOST_DATABASE_URL and SEALPOST_DATABASE_TOKEN",
);

/** SQLite's primary result codes, and the driver's own, that say nothing about the statement. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  SQLITE_BUSY: BUSY,
  SQLITE_LOCKED: BUSY,
  SQLITE_FULL: broken("The disk that holds the database is full; free some space"),
  SQLITE_READONLY: broken(
    "The database file cannot be written; check its permissions and those of its directory",
  ),
  SQLITE_PERM: CANNOT_OPEN,
  SQLITE_CANTOPEN: CANNOT_OPEN,
  SQLITE_NOTADB: broken("The database file is not a database; check SEALPOST_DATABASE_URL"),
  SQLITE_CORRUPT: broken("The database file is damaged; restore it from a backup"),
  SQLITE_IOERR: broken("The disk that holds the database reports errors; check the disk"),
  URL_INVALID: BAD_URL,
  URL_PARAM_NOT_SUPPORTED: BAD_URL,
  URL_SCHEME_NOT_SUPPORTED: BAD_URL,
};

/** Codes of answers that a remote database gave; any other failure there lies on the way. */
const SQL_ANSWER = /^SQL(ITE)?_/;

/** SQLite's primary result code, or the driver's own code; empty for an error without a code. */
export function resultCode(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (typeof code !== "string") return "";
  // Servers may say the extended code, such as SQLITE_CONSTRAINT_UNIQUE.
  return /^SQLITE_[A-Z]+/.exec(code)?.[0] ?? code;
}

/** Whether a UNIQUE, PRIMARY KEY, NOT NULL, CHECK or FOREIGN KEY constraint rejected a write. */
export function isConstraintError(error: unknown): boolean {
  return resultCode(error) === "SQLITE_CONSTRAINT";
}

/** Whether another connection held a lock, so that nothing was done and the same call may be made again. */
export function isBusy(error: unknown): boolean {
  const code = resultCode(error);
  return code === "SQLITE_BUSY" || code === "SQLITE_LOCKED";
}

/** Whether the database itself is away, so that any other statement would fail the same way. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof SealpostError && error.code === "database_unavailable";
}

/** Whether the database was busy for so long that nothing was done, and the same call may be made again. */
export function isNothingDone(error: unknown): boolean {
  return (
    isUnavailable(error) && error instanceof Error && (isBusy(error.cause) || isRefusedForNow(error.cause))
  );
}

/** The error of a commit that waited for too long and was not begun. */
export function busyFailure(): SealpostError {
  return explained(BUSY, undefined);
}

/** Index of the statement of a batch that an error is about; `null` if it is about none of them. */
export function failedStatement(error: unknown): number | null {
  const index = error instanceof Error && "statementIndex" in error ? error.statementIndex : null;
  return typeof index === "number" ? index : null;
}

/** HTTP status of a server that has too much to do to look at a request. */
const TOO_MANY_REQUESTS = 429;

/** Whether a server refused to look at a request because of all the others. */
export function isRefusedForNow(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : null;
  return cause instanceof Error && "status" in cause && cause.status === TOO_MANY_REQUESTS;
}

function explained(meaning: Meaning, cause: unknown): SealpostError {
  const { code, message, retryAfterSeconds } = meaning;
  return new SealpostError(code, message, {
    ...(cause === undefined ? {} : { cause }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}

/** What to throw for an error of a local database: the statement's own errors stay as they are. */
export function localFailure(error: unknown): unknown {
  const meaning = MEANINGS[resultCode(error)];
  return meaning === undefined ? error : explained(meaning, error);
}

/** What to throw when a local database did not open: the driver throws there without a code. */
export function openFailure(error: unknown): unknown {
  return resultCode(error) === "" ? explained(CANNOT_OPEN, error) : localFailure(error);
}

/** What to throw for an error of a remote database. */
export function remoteFailure(error: unknown): unknown {
  const code = resultCode(error);
  if (MEANINGS[code] !== undefined || SQL_ANSWER.test(code)) return localFailure(error);
  return explained(UNREACHABLE, error);
}

/** The error of a commit whose request was cut off: it may have been written or not. */
export function abandonedFailure(): SealpostError {
  return explained(UNREACHABLE, undefined);
}

/** The error for a URL that no driver serves. */
export function badUrl(cause?: unknown): SealpostError {
  return explained(BAD_URL, cause);
}
