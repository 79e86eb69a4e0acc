import type { MiddlewareHandler } from "hono";
import { invalidParameter } from "../errors.ts";

/** Proxies and servers log queries, so no secret may stand in one. */
const SECRETS = ["password", "private_key", "private_key_password", "pass", "pin", "recoverycode"];
const STRAY_PERCENT = /%(?![0-9a-f]{2})/gi;

/** Refuses a URL that holds a secret, or bytes that are no text and would be read as something else. */
export function checkUrl(): MiddlewareHandler {
  return async function checkUrl(c, next) {
    const { pathname, search, searchParams } = new URL(c.req.url);
    if (!isEscapedUtf8(pathname)) throw invalidParameter("path", "expected UTF-8");
    if (!isEscapedUtf8(search)) throw invalidParameter("query", "expected UTF-8");
    const secret = SECRETS.find((name) => searchParams.has(name));
    if (secret !== undefined) throw invalidParameter(secret, "may not stand in the query, which is logged");
    await next();
  };
}

/** Whether the percent escapes of a text are UTF-8; decoders put U+FFFD for what is not, without a word. */
export function isEscapedUtf8(text: string): boolean {
  try {
    decodeURIComponent(text.replace(STRAY_PERCENT, "%25"));
    return true;
  } catch {
    // A URIError, the one way it can fail.
    return false;
  }
}
