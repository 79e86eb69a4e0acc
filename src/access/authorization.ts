import type { Platform } from "../contracts/platform.ts";
import type { Principal } from "../domain/admin.ts";
import type { PolicyDecision, Right } from "../domain/policy.ts";
import type { PolicyRepository } from "../storage/policies.ts";
import { decide, rightsOf } from "./policy.ts";

export type Authorization = ReturnType<typeof createAuthorization>;

/** What the policies in the database say at this moment; nothing is kept from one request to the next. */
export function createAuthorization(parts: {
  readonly policies: PolicyRepository;
  readonly actions: readonly Right[];
  readonly platform: Platform;
}) {
  const { policies, actions, platform } = parts;
  const contextOf = ({ username, realm }: Principal, client: string | null) => {
    return { username, realm, client, now: platform.now() };
  };
  return {
    async decide(action: Right, principal: Principal, client: string | null): Promise<PolicyDecision> {
      return decide(await policies.list(), action, contextOf(principal, client));
    },

    /** Every action that is allowed. */
    async rights(principal: Principal, client: string | null): Promise<readonly Right[]> {
      return rightsOf(await policies.list(), actions, contextOf(principal, client));
    },
  };
}
