import type { MiddlewareHandler } from "hono";
import { invalidParameter } from "../errors.ts";

/** Rejected in the query, which proxies and servers log. */
const SECRETS = ["password", "private_key", "private_key_password", "pass", "pin", "recoverycode"];
const INVALID_PERCENT = /%(?![0-9a-f]{2})/gi;

/** Rejects a URL that contains a secret, or escapes that are not UTF-8 and would change when decoded. */
export function checkUrl(): MiddlewareHandler {
  return async function checkUrl(c, next) {
    const { pathname, search, searchParams } = new URL(c.req.url);
    if (!isEscapedUtf8(pathname)) throw invalidParameter("path", "expected UTF-8");
    if (!isEscapedUtf8(search)) throw invalidParameter("query", "expected UTF-8");
    const secret = SECRETS.find((name) => searchParams.has(name));
    if (secret !== undefined)
      throw invalidParameter(secret, "not allowed in the query, which is logged: send it in the body");
    await next();
  };
}

/** Whether the percent escapes of a text are UTF-8. Decoders silently replace other bytes with U+FFFD. */
export function isEscapedUtf8(text: string): boolean {
  try {
    decodeURIComponent(text.replace(INVALID_PERCENT, "%25"));
    return true;
  } catch {
    // Only a URIError can occur here.
    return false;
  }
}
