import type { Context, MiddlewareHandler } from "hono";
import type { Authentication } from "../access/authentication.ts";
import type { Authorization } from "../access/authorization.ts";
import type { Env } from "../contracts/env.ts";
import type { RightOptions } from "../contracts/plugin/guard.ts";
import type { Right } from "../domain/policy.ts";
import { SealpostError } from "../errors.ts";

/**
 * Creates a middleware that lets a request through if its admin has this right, or one of several.
 * @param auditAction names the request in audit rows.
 */
export type RequireRight = (
  right: Right | readonly Right[],
  auditAction: string,
  options?: RightOptions,
) => MiddlewareHandler<Env>;

/** Whether a request comes from an admin who has this right. */
export type IsAllowed = (c: Context<Env>, action: Right, options?: RightOptions) => Promise<boolean>;

interface GuardDeps {
  readonly authentication: Authentication;
  readonly authorization: Authorization;
  /** What is committed from now on depends on what the request was allowed by. */
  readonly epoch: {
    allow(check: () => Promise<void>, options?: RightOptions): Promise<void>;
    prove(): Promise<void>;
  };
}

/** Makes the one check that stands before every resource: token, then policies, both as they are now. */
export function createRequireRight(parts: GuardDeps): RequireRight {
  return (right, auditAction, options) =>
    async function requireRight(c, next) {
      c.set("auditAction", auditAction);
      const rights = typeof right === "string" ? [right] : right;
      const check = async () => {
        for (const one of rights) if (await recognise(c, one, parts)) return;
        throw denied(rights[0] ?? "");
      };
      await parts.epoch.allow(check, options);
      await next();
      // The route may have rejected the request before it read anything.
      if (c.finalized) await parts.epoch.prove();
    };
}

/** Makes the same check for routes that are open to all and tell an admin more. */
export function createIsAllowed(parts: GuardDeps): IsAllowed {
  return async (c, action, options) => {
    try {
      await parts.epoch.allow(async () => {
        if (!(await recognise(c, action, parts))) throw denied(action);
      }, options);
      return true;
    } catch (error) {
      if (error instanceof SealpostError && (error.status === 401 || error.status === 403)) return false;
      throw error;
    }
  };
}

/** Remembers who asks. @returns whether he may. @throws {SealpostError} 401 for who is not an admin. */
async function recognise(
  c: Context<Env>,
  action: Right,
  { authentication, authorization }: GuardDeps,
): Promise<boolean> {
  const principal = await authentication.check(tokenOf(c));
  const client = c.get("clientAddress");
  const { allowed, policies } = await authorization.decide(action, principal, client);
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

/** `PI-Authorization` wins over `Authorization`; the token stands bare or after `Bearer`. */
function tokenOf(c: Context<Env>): string {
  const header = c.req.header("pi-authorization") || c.req.header("authorization");
  const token = header?.replace(/^Bearer\s+/i, "").trim();
  if (token) return token;
  throw new SealpostError("missing_authorization", "Authentication failure. Missing Authorization header.");
}

function denied(action: Right): SealpostError {
  return new SealpostError(
    "action_denied",
    `Admin actions are defined, but the action ${action} is not allowed!`,
  );
}
