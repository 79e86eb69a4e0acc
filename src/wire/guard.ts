import type { Context, MiddlewareHandler } from "hono";
import type { Authentication } from "../access/authentication.ts";
import type { Authorization } from "../access/authorization.ts";
import type { Env } from "../contracts/env.ts";
import type { RightOptions } from "../contracts/plugin/context.ts";
import type { Right } from "../domain/policy.ts";
import { SealpostError } from "../errors.ts";

/** Creates a middleware that lets an admin pass who has one of these rights. An error names the first. */
export type RequireRight = (rights: readonly Right[], options?: RightOptions) => MiddlewareHandler<Env>;

/** Whether a request comes from an admin with this right. */
export type IsAllowed = (c: Context<Env>, right: Right, options?: RightOptions) => Promise<boolean>;

interface GuardDeps {
  readonly authentication: Authentication;
  readonly authorization: Authorization;
  /** Makes later commits depend on the check. */
  readonly epoch: {
    allow(check: () => Promise<void>, options?: RightOptions): Promise<void>;
    prove(): Promise<void>;
  };
}

/** Creates the middleware that authorizes a route: verifies the token, then evaluates the current policies. */
export function createRequireRight(deps: GuardDeps): RequireRight {
  return (rights, options) =>
    async function requireRight(c, next) {
      await deps.epoch.allow(() => assertRight(c, rights, deps), options);
      await next();
      // The route may have rejected the request before its first read.
      if (c.finalized) await deps.epoch.prove();
    };
}

/** Creates the same check for open routes that show admins more detail. */
export function createIsAllowed(deps: GuardDeps): IsAllowed {
  return async (c, right, options) => {
    try {
      await deps.epoch.allow(() => assertRight(c, [right], deps), options);
      return true;
    } catch (error) {
      if (error instanceof SealpostError && (error.status === 401 || error.status === 403)) return false;
      throw error;
    }
  };
}

async function assertRight(c: Context<Env>, rights: readonly Right[], deps: GuardDeps): Promise<void> {
  for (const right of rights) if (await hasRight(c, right, deps)) return;
  throw new SealpostError(
    "action_denied",
    `Admin actions are defined, but the action ${rights[0] ?? ""} is not allowed!`,
  );
}

/** Sets the admin behind the request. @throws {SealpostError} 401 if there is none. */
async function hasRight(
  c: Context<Env>,
  right: Right,
  { authentication, authorization }: GuardDeps,
): Promise<boolean> {
  const principal = await authentication.check(tokenOf(c));
  const client = c.get("clientAddress");
  const { allowed, policies } = await authorization.decide(right, principal, client);
  c.set("principal", principal);
  c.set("actor", {
    action: c.get("auditAction"),
    administrator: principal.username,
    realm: principal.realm,
    client: client ?? "",
    policies: policies.join(","),
    requestId: c.get("requestId"),
  });
  return allowed;
}

/** `PI-Authorization` takes precedence over `Authorization`. The token may follow `Bearer`. */
function tokenOf(c: Context<Env>): string {
  const header = c.req.header("pi-authorization") || c.req.header("authorization");
  const token = header?.replace(/^Bearer\s+/i, "").trim();
  if (token) return token;
  throw new SealpostError("missing_authorization", "Authentication failure. Missing Authorization header.");
}
