import type { BatchResponse } from "drizzle-orm/batch";
import type { Statement } from "../contracts/database.ts";
import type { Admin } from "../domain/admin.ts";
import type { Policy } from "../domain/policy.ts";
import { SealpostError } from "../errors.ts";
import type { AdminRepository } from "../storage/admins.ts";
import { type Epoch, untilCommitted } from "../storage/epoch.ts";
import { ADMINS, POLICIES } from "../storage/kept-tables.ts";
import type { PolicyRepository } from "../storage/policies.ts";
import { grants, namesAdmin } from "./authorization.ts";

/** All policies and admins at one moment. */
export interface AccessState {
  readonly policies: readonly Policy[];
  readonly admins: readonly Admin[];
}

interface AccessChange<T extends readonly Statement[]> {
  readonly statements: T;
  /** The state after the change. */
  readonly after: AccessState;
  /** The parameter to name in the error if the change would lock all admins out. */
  readonly parameter: string;
}

/**
 * Commits a change that `plan` bases on the current state. If another request changes the state first, `plan` runs
 * again. Returns the results of the statements.
 */
export type CommitAccessChange = <const T extends readonly Statement[]>(
  plan: (state: AccessState) => AccessChange<T>,
) => Promise<BatchResponse<T>>;

/**
 * Creates the only write path for admins and policies. It commits a change only if the state it was based on is current
 * and an admin with `policywrite` remains.
 */
export function createCommitAccessChange(deps: {
  readonly epoch: Epoch;
  readonly admins: AdminRepository;
  readonly policies: PolicyRepository;
}): CommitAccessChange {
  const { epoch, admins, policies } = deps;
  return (plan) =>
    untilCommitted(epoch, async () => {
      const change = plan({ policies: await policies.list(), admins: await admins.list() });
      assertPolicyWriter(change);
      return epoch.commit([ADMINS, POLICIES], change.statements);
    });
}

function assertPolicyWriter({ after, parameter }: Pick<AccessChange<[]>, "after" | "parameter">): void {
  if (hasPolicyWriter(after)) return;
  throw new SealpostError(
    "invalid_parameter",
    `ERR905: Invalid parameter: ${parameter}: this would leave no enabled admin who may change policies (policywrite)`,
    { parameter },
  );
}

/** Whether an enabled admin may change policies from any IP address at any time. Other policies may not apply when needed. */
export function hasPolicyWriter({ admins, policies }: AccessState): boolean {
  const enabled = admins.filter((admin) => admin.enabled);
  const active = policies.filter((policy) => policy.active);
  if (active.length === 0) return enabled.length > 0;
  const unconditional = active.filter(
    (policy) => policy.client.length === 0 && policy.time === "" && grants(policy, "policywrite"),
  );
  return unconditional.some((policy) => enabled.some((admin) => namesAdmin(policy, admin)));
}
