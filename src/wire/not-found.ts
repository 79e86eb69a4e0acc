import type { Handler } from "hono";
import type { Env } from "../contracts/env.ts";
import { SealpostError } from "../errors.ts";

/** Ends an app: nothing is served under this URL. */
export const urlNotFound: Handler<Env> = () => {
  throw new SealpostError("url_not_found", "There is nothing under this URL");
};

/** Ends a resource: it is there, but for these methods only (RFC 9110 15.5.6). */
export function allowOnly(...methods: readonly string[]): Handler<Env> {
  return (c) => {
    c.header("Allow", methods.join(", "));
    throw new SealpostError("method_not_allowed", `The method ${c.req.method} is not allowed here`);
  };
}
