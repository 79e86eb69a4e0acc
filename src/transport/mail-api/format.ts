import type { ApiResponse } from "./driver.ts";
import { isAccepted } from "./failure.ts";

/** A name of an error, such as `ErrorSendAsDenied`. */
const NAME = /^[A-Za-z][\w.]*$/;

/** Returns the URL of a path below a base, whose query is dropped. */
export function below(base: URL, path: string): URL {
  const url = new URL(base);
  url.pathname = base.pathname.replace(/\/+$/, "") + path;
  url.search = "";
  return url;
}

/** Returns the members of an object in JSON. None if the text is none, or `null`. */
export function parseJson(text: string | null): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text ?? "");
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/**
 * Whether a response accepts a message: any 2xx, so that a message that was accepted is not sent again. Only a body that no
 * API sends, such as a page, shows that another service responded at `api_url`.
 */
export function acceptsMessage({ status, body }: ApiResponse): boolean {
  return isAccepted(status) && /^\s*(\{|$)/.test(body ?? "");
}

/** Whether a request for a resource succeeded. Another service may respond 200 too, but not with an object in JSON. */
export function isResource({ status, body }: ApiResponse): boolean {
  return isAccepted(status) && Object.keys(parseJson(body)).length > 0;
}

/** Returns `<name>: <message>` of an error; `null` without a name. */
export function textOf(name: unknown, message: unknown): string | null {
  if (typeof name !== "string" || !NAME.test(name)) return null;
  return typeof message === "string" && message !== "" ? `${name}: ${message}` : name;
}
