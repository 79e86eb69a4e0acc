import type { Platform } from "../contracts/platform.ts";
import type { Principal } from "../domain/admin.ts";
import type { PolicyDecision, Right } from "../domain/policy.ts";
import type { PolicyRepository } from "../storage/policies.ts";
import { decide, rightsOf } from "./policy.ts";

/** Decides rights by the current policies of the database. */
export interface Authorization {
  decide(right: Right, principal: Principal, client: string | null): Promise<PolicyDecision>;
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
  return {
    async decide(right, principal, client) {
      return decide(await policies.list(), right, contextOf(principal, client));
    },

    async rights(principal, client) {
      return rightsOf(await policies.list(), rights, contextOf(principal, client));
    },
  };
}
