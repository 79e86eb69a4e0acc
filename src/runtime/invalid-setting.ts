import { SealpostError } from "../errors.ts";

/** The error that stops a start: a setting is invalid. */
export function invalidSetting(parameter: string, message: string, cause?: unknown): SealpostError {
  return new SealpostError("bad_setting", message, { parameter, cause });
}

/** The error for a path that cannot be written: the data folder, or a file in it. */
export function notWritable(what: string, cause: unknown): SealpostError {
  const message = `${what}${codeOf(cause)}: it needs a disk with free space that this user may write to; SEALPOST_DATABASE_URL sets another path`;
  return invalidSetting("SEALPOST_DATABASE_URL", message, cause);
}

/** The system's code of an error, such as ` (EACCES)`, or an empty string. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  if (error.name === "NotCapable") return " (Deno needs --allow-read and --allow-write for it)";
  return "code" in error ? ` (${error.code})` : "";
}
