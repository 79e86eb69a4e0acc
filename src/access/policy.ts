import { parseCidr } from "../domain/network.ts";
import type { Policy, PolicyContext, PolicyDecision, Right } from "../domain/policy.ts";
import { matchesName, splitNegation } from "./pattern.ts";
import { isWithin, parseTimeWindows } from "./time-windows.ts";

/**
 * Decides whether an action is allowed: by an active policy that matches, or because no policy is active at all.
 * Pure; the same answer for the same arguments.
 */
export function decide(policies: readonly Policy[], action: Right, context: PolicyContext): PolicyDecision {
  const active = policies.filter((policy) => policy.active);
  if (active.length === 0) return { allowed: true, policies: [] };
  const matching = active.filter((policy) => grants(policy, action) && applies(policy, context));
  return { allowed: matching.length > 0, policies: matching.map((policy) => policy.name) };
}

/** The actions among `actions` that are allowed; what a log-in tells its client. */
export function rightsOf(
  policies: readonly Policy[],
  actions: readonly Right[],
  context: PolicyContext,
): Right[] {
  return actions.filter((action) => decide(policies, action, context).allowed);
}

/** Whether the policy, once it applies, opens this action. Unlike names, an empty list grants nothing. */
export function grants(policy: Pick<Policy, "action">, action: Right): boolean {
  const entries = Object.keys(policy.action);
  return entries.length > 0 && matchesName(entries, action);
}

/** Whether this admin is one the policy speaks of, at any address and time. */
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

/** A stored time that cannot be read matches never: a policy fails closed. */
function matchesTime(time: string, now: Date): boolean {
  const windows = parseTimeWindows(time);
  return windows !== null && (windows.length === 0 || windows.some((window) => isWithin(window, now)));
}
