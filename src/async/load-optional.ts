import { SealpostError } from "../errors.ts";

/**
 * Loads an optional peer dependency when it is first needed.
 * @param purpose what needs it, such as `SEALPOST_WAKE=bullmq`.
 * @throws {SealpostError} `bad_setting` if the package is not installed; the message names it.
 */
export async function loadOptional<T>(name: string, purpose: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    if (!isNotFound(cause, name)) throw cause;
    const message = `${purpose} needs the package ${name}: run npm install ${name}`;
    throw new SealpostError("bad_setting", message, { cause });
  }
}

/** Loads an optional package. @returns `null` if it is not installed. */
export async function findOptional<T>(name: string, load: () => Promise<T>): Promise<T | null> {
  try {
    return await load();
  } catch (cause) {
    if (!isNotFound(cause, name)) throw cause;
    return null;
  }
}

/** Whether the package itself was not found, rather than a file that it imports. */
function isNotFound(error: unknown, name: string): boolean {
  if (typeof error !== "object" || error === null || !("code" in error) || !("message" in error))
    return false;
  return error.code === "ERR_MODULE_NOT_FOUND" && String(error.message).includes(`'${name}'`);
}
