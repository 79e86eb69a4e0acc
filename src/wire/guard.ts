import type { Context, MiddlewareHandler } from "hono";
import type { Authentication } from "../access/authentication.ts";
import type { Authorization } from "../access/authorization.ts";
import type { Env } from "../contracts/env.ts";
import type { Action } from "../domain/policy.ts";
import { SealpostError } from "../errors.ts";

/** Lets a request through whose admin has this right; `auditAction` names it in audit rows. */
export type RequireRight = (action: Action, auditAction: string) => MiddlewareHandler<Env>;

/** Makes the one check that stands before every resource: token, then policies, both as they are now. */
export function createRequireRight(parts: {
  readonly authentication: Authentication;
  readonly authorization: Authorization;
}): RequireRight {
  const { authentication, authorization } = parts;
  return (action, auditAction) =>
    async function requireRight(c, next) {
      c.set("auditAction", auditAction);
      const principal = await authentication.check(tokenOf(c));
      const client = c.get("clientAddress");
      const { allowed, policies } = await authorization.decide(action, principal, client);
      c.set("principal", principal);
      c.set("actor", {
        action: auditAction,
        administrator: principal.username,
        realm: principal.realm,
        client: client ?? "",
        policies: policies.join(","),
        requestId: c.get("requestId"),
      });
      if (!allowed) throw denied(action);
      await next();
    };
}

/** `PI-Authorization` wins over `Authorization`; the token stands bare or after `Bearer`. */
function tokenOf(c: Context<Env>): string {
  const header = c.req.header("pi-authorization") || c.req.header("authorization");
  const token = header?.replace(/^Bearer\s+/i, "").trim();
  if (token) return token;
  throw new SealpostError("missing_authorization", "Authentication failure. Missing Authorization header.");
}

function denied(action: Action): SealpostError {
  return new SealpostError(
    "action_denied",
    `Admin actions are defined, but the action ${action} is not allowed!`,
  );
}
