import type { Handler } from "hono";
import { SealpostError } from "../errors.ts";
import type { Env } from "./env.ts";

/** Ends an app: nothing is served under this URL. */
export const urlNotFound: Handler<Env> = () => {
  throw new SealpostError("url_not_found", "There is nothing under this URL");
};

/** Ends a resource: it is there, but not for this method. */
export const methodNotAllowed: Handler<Env> = (c) => {
  throw new SealpostError("method_not_allowed", `The method ${c.req.method} is not allowed here`);
};
