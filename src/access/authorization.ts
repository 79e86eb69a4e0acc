import type { Platform } from "../contracts/platform.ts";
import type { Principal } from "../domain/admin.ts";
import { includesRight } from "../domain/api-key.ts";
import { parseCidr } from "../domain/network.ts";
import type { Policy, PolicyContext, PolicyDecision, Right } from "../domain/policy.ts";
import type { PolicyRepository } from "../storage/policies.ts";
import { matchesName, splitNegation } from "./pattern.ts";
import { isWithin, parseTimeWindows } from "./time-windows.ts";

/** Decides rights by the current policies of the database, and by the API key if one was used. */
export interface Authorization {
  decide(right: Right, principal: Principal, client: string | null): Promise<PolicyDecision>;
  /** Whether an active policy names this right, to grant or to exclude it. Wildcards include rights without naming them. */
  isNamed(right: Right): Promise<boolean>;
  /** Returns every right that is allowed. */
  rights(principal: Principal, client: string | null): Promise<readonly Right[]>;
}

export function createAuthorization(deps: {
  readonly policies: PolicyRepository;
  /** All known rights. */
  readonly rights: readonly Right[];
  readonly platform: Platform;
}): Authorization {
  const { policies, rights, platform } = deps;
  const contextOf = ({ username, realm }: Principal, client: string | null) => {
    return { username, realm, client, now: platform.now() };
  };
  const isInKey = ({ apiKey }: Principal, right: Right, client: string | null) =>
    apiKey === null || includesRight(apiKey, right, client);
  return {
    async decide(right, principal, client) {
      if (!isInKey(principal, right, client)) return { allowed: false, policies: [] };
      return decide(await policies.list(), right, contextOf(principal, client));
    },

    async isNamed(right) {
      const active = (await policies.list()).filter((policy) => policy.active);
      const entries = active.flatMap(({ action }) => Object.keys(action));
      return entries.some((entry) => splitNegation(entry, ["!"]).rest === right);
    },

    async rights(principal, client) {
      const own = rights.filter((right) => isInKey(principal, right, client));
      return rightsOf(await policies.list(), own, contextOf(principal, client));
    },
  };
}

/** Decides whether a right is allowed: an active policy grants it, or no policy is active at all. Pure. */
export function decide(policies: readonly Policy[], right: Right, context: PolicyContext): PolicyDecision {
  const active = policies.filter((policy) => policy.active);
  if (active.length === 0) return { allowed: true, policies: [] };
  const matching = active.filter((policy) => grants(policy, right) && applies(policy, context));
  return { allowed: matching.length > 0, policies: matching.map((policy) => policy.name) };
}

/** Returns the rights among `rights` that are allowed, as a login shows them to its client. */
export function rightsOf(
  policies: readonly Policy[],
  rights: readonly Right[],
  context: PolicyContext,
): Right[] {
  return rights.filter((right) => decide(policies, right, context).allowed);
}

/** Whether a policy, where it applies, grants this right. An empty list grants nothing, unlike a list of names. */
export function grants(policy: Pick<Policy, "action">, right: Right): boolean {
  const entries = Object.keys(policy.action);
  return entries.length > 0 && matchesName(entries, right);
}

/** Whether a policy includes this admin, at some IP address and time. */
export function namesAdmin(
  policy: Pick<Policy, "adminuser" | "adminrealm">,
  admin: { readonly username: string; readonly realm: string },
): boolean {
  return matchesName(policy.adminuser, admin.username) && matchesName(policy.adminrealm, admin.realm);
}

function applies(policy: Policy, context: PolicyContext): boolean {
  return (
    namesAdmin(policy, context) &&
    matchesClient(policy.client, context.client) &&
    matchesTime(policy.time, context.now)
  );
}

function matchesClient(entries: readonly string[], client: string | null): boolean {
  if (entries.length === 0) return true;
  if (client === null) return false;
  const parsed = entries.map((entry) => {
    const { negated, rest } = splitNegation(entry, ["!", "-"]);
    return { negated, hit: parseCidr(rest)?.contains(client) ?? false };
  });
  return (
    parsed.some(({ negated, hit }) => !negated && hit) && !parsed.some(({ negated, hit }) => negated && hit)
  );
}

/** An invalid stored time never matches: policies fail closed. */
function matchesTime(time: string, now: Date): boolean {
  const windows = parseTimeWindows(time);
  return windows !== null && (windows.length === 0 || windows.some((window) => isWithin(window, now)));
}
