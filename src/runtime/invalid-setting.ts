import { SealpostError } from "../errors.ts";

/** For a place that cannot be written: the data folder, or the key file in it. */
export function notWritable(what: string, cause: unknown): SealpostError {
  const message = `${what}${codeOf(cause)}: it needs a disk with space that this user may write; SEALPOST_DATABASE_URL names another place`;
  return badSetting("SEALPOST_DATABASE_URL", message, cause);
}

/** The error that stops a start. */
export function badSetting(parameter: string, message: string, cause?: unknown): SealpostError {
  return new SealpostError("bad_setting", message, { parameter, cause });
}

/** The system's word for an error, such as ` (EACCES)`; empty if it has none. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  if (error.name === "NotCapable") return " (Deno needs --allow-read and --allow-write for it)";
  return "code" in error ? ` (${error.code})` : "";
}
