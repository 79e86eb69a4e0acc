import type { Context, MiddlewareHandler } from "hono";
import type { ApiKeys } from "../access/api-keys.ts";
import type { Authentication } from "../access/authentication.ts";
import type { Authorization } from "../access/authorization.ts";
import type { Env } from "../contracts/env.ts";
import type { RightOptions } from "../contracts/plugin/context.ts";
import type { Principal } from "../domain/admin.ts";
import { API_KEY_PREFIX, acceptsClient } from "../domain/api-key.ts";
import type { AuditActor } from "../domain/audit.ts";
import { REROUTE_RIGHT, type Right } from "../domain/policy.ts";
import { missingRight, SealpostError } from "../errors.ts";
import { logError } from "./error-handler.ts";
import { withoutScheme } from "./request.ts";

/**
 * Creates a middleware that lets an admin pass who has one of these rights, or any admin if there are none. An error names
 * the first.
 */
export type RequireRight = (rights: readonly Right[], options?: RightOptions) => MiddlewareHandler<Env>;

/** Whether a request comes from an admin with this right. */
export type IsAllowed = (c: Context<Env>, right: Right, options?: RightOptions) => Promise<boolean>;

/** Asserts that an admin may change where codes go, once an active policy names the right to it. */
export type AssertMayReroute = (c: Context<Env>) => Promise<void>;

interface GuardDeps {
  readonly authentication: Authentication;
  readonly authorization: Authorization;
  readonly apiKeys: Pick<ApiKeys, "recordUse">;
  /** Makes later commits depend on the check. */
  readonly epoch: {
    allow(check: () => Promise<void>, options?: RightOptions): Promise<void>;
    prove(): Promise<void>;
  };
}

/** Rights that the `servers` of an API key limit to definitions of these names. */
const LIMITED_TO_SERVERS = /^(smtpserver_|mail_send$)/;

/** The checks of requests. */
export interface Guards {
  readonly requireRight: RequireRight;
  readonly isAllowed: IsAllowed;
  readonly assertMayReroute: AssertMayReroute;
}

export function createGuards(deps: GuardDeps): Guards {
  return {
    requireRight: createRequireRight(deps),
    isAllowed: createIsAllowed(deps),
    assertMayReroute: createAssertMayReroute(deps),
  };
}

/** Creates the middleware that authorizes a route: verifies the token, then evaluates the current policies. */
function createRequireRight(deps: GuardDeps): RequireRight {
  return (rights, options) =>
    async function requireRight(c, next) {
      await deps.epoch.allow(() => assertRight(c, rights, deps), options);
      try {
        await next();
      } catch (error) {
        await proveRight(c, deps).catch((reason) => {
          // The response is about the right. Only the log has the error of the route.
          if (error instanceof Error) logError(c, error);
          throw reason;
        });
        throw error;
      }
      await proveRight(c, deps);
    };
}

/** Proves the right of a route that may have ended before its first read, and records the use of an API key. */
async function proveRight(c: Context<Env>, { epoch, apiKeys }: GuardDeps): Promise<void> {
  await epoch.prove();
  const { apiKey } = c.get("principal");
  if (apiKey !== null) await apiKeys.recordUse(apiKey.id);
}

/** The operator in audit rows, and as the one who acts. */
export interface Operator {
  readonly actor: Omit<AuditActor, "requestId">;
  readonly principal: Principal;
}

/**
 * Creates the guard of an app of the operator, who has the database, so no right is missing. The other guards know the
 * operator by `isOperator`, which the app sets for all of its requests.
 */
export function requireOperator(operator: Operator): RequireRight {
  return () =>
    async function requireOperator(c, next) {
      // A command emits no event of an API action.
      c.set("auditAction", "");
      c.set("principal", operator.principal);
      c.set("actor", { ...operator.actor, requestId: c.get("requestId") });
      await next();
    };
}

/** Creates the same check for open routes that show admins more detail, and for a second right of a guarded one. */
function createIsAllowed(deps: GuardDeps): IsAllowed {
  return async (c, right, options) => {
    if (c.get("isOperator")) return true;
    const actor: Env["Variables"]["actor"] | undefined = c.get("actor");
    try {
      await deps.epoch.allow(() => assertRight(c, [right], deps), options);
      return true;
    } catch (error) {
      if (error instanceof SealpostError && (error.status === 401 || error.status === 403)) return false;
      throw error;
    } finally {
      // The audit row names the policies that allow the route itself.
      if (actor) c.set("actor", actor);
    }
  };
}

/**
 * Asserts that the request may use definitions of these names: that the API key, if one was used, is not limited to
 * others. Call it for names that come in a body, as those of a failover do; the guard checks `:identifier` in a path.
 * @throws {SealpostError} `action_denied`.
 */
export function assertServers(c: Context<Env>, identifiers: readonly string[]): void {
  const { isLimited, includes } = serverLimitOf(c);
  if (!isLimited || (identifiers.length > 0 && identifiers.every(includes))) return;
  throw new SealpostError("action_denied", "This API key is limited to other definitions: see its servers");
}

/** Creates the check of changes that redirect codes. */
function createAssertMayReroute(deps: GuardDeps): AssertMayReroute {
  return async (c) => {
    if (c.get("isOperator") || !(await deps.authorization.isNamed(REROUTE_RIGHT))) return;
    const actor = c.get("actor");
    try {
      await assertRight(c, [REROUTE_RIGHT], deps);
      // A setting, a gateway or a token can lead to any definition. A route of one has its name in the path.
      if (c.req.param("identifier") === undefined) assertServers(c, []);
    } finally {
      // The audit row names the policies that allow the route itself.
      c.set("actor", actor);
    }
  };
}

/** Returns the limit of the request to definitions of some names. */
export function serverLimitOf(c: Context<Env>) {
  const servers = c.get("principal").apiKey?.servers ?? [];
  return {
    isLimited: servers.length > 0,
    includes: (identifier: string) => servers.length === 0 || servers.includes(identifier.normalize("NFC")),
  };
}

async function assertRight(c: Context<Env>, rights: readonly Right[], deps: GuardDeps): Promise<void> {
  const principal = await deps.authentication.check(credentialOf(c));
  if (rights.length === 0 && isAcceptedHere(c, principal)) return setPrincipal(c, principal, []);
  for (const right of rights) if (await hasRight(c, right, principal, deps)) return;
  if (isAcceptedHere(c, principal)) throw missingRight(rights[0] ?? "");
  const message = "This API key is not accepted from this address: see its client";
  throw new SealpostError("action_denied", message);
}

/** Sets the admin behind the request, and returns whether they have the right. */
async function hasRight(
  c: Context<Env>,
  right: Right,
  principal: Principal,
  { authorization }: GuardDeps,
): Promise<boolean> {
  const client = c.get("clientAddress");
  const { allowed, policies } = await authorization.decide(right, principal, client);
  setPrincipal(c, principal, policies);
  const identifier = c.req.param("identifier");
  if (allowed && identifier !== undefined && LIMITED_TO_SERVERS.test(right)) assertServers(c, [identifier]);
  return allowed;
}

/** Sets the admin behind the request. @param policies names of the policies that allow it. */
function setPrincipal(c: Context<Env>, principal: Principal, policies: readonly string[]): void {
  c.set("principal", principal);
  c.set("actor", {
    action: c.get("auditAction"),
    administrator: nameOf(principal),
    realm: principal.realm,
    client: c.get("clientAddress") ?? "",
    policies: policies.join(","),
    requestId: c.get("requestId"),
  });
}

/** The name in the audit log. */
function nameOf({ username, apiKey }: Principal): string {
  return apiKey === null ? username : `${username} (API key ${apiKey.name})`;
}

/** Whether the client's address is in the networks of the API key, if one was used. */
function isAcceptedHere(c: Context<Env>, { apiKey }: Principal): boolean {
  return apiKey === null || acceptsClient(apiKey, c.get("clientAddress"));
}

/**
 * Returns the admin token or API key of a request. `PI-Authorization` takes precedence over `Authorization`, and both over
 * `X-API-Key`. A text in the first two may follow `Bearer`. An `X-API-Key` without the prefix of a key is ignored, because
 * clients of privacyIDEA send theirs.
 */
function credentialOf(c: Context<Env>): string {
  const header = c.req.header("pi-authorization") || c.req.header("authorization");
  const token = withoutScheme(header ?? "");
  if (token !== "") return token;
  const key = c.req.header("x-api-key")?.trim() ?? "";
  if (key.startsWith(API_KEY_PREFIX)) return key;
  throw new SealpostError("missing_authorization", "Authentication failure. Missing Authorization header.");
}
