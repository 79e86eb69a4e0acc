import type { BatchResponse } from "drizzle-orm/batch";
import type { Statement } from "../contracts/database.ts";
import type { Admin } from "../domain/admin.ts";
import type { Policy } from "../domain/policy.ts";
import { SealpostError } from "../errors.ts";
import type { AdminRepository } from "../storage/admins.ts";
import { ADMINS, type Epoch, POLICIES } from "../storage/epoch.ts";
import type { PolicyRepository } from "../storage/policies.ts";
import { untilCommitted } from "../storage/until-committed.ts";
import { grants, namesAdmin } from "./policy.ts";

/** Who may do what, at one moment. */
export interface AccessState {
  readonly policies: readonly Policy[];
  readonly admins: readonly Admin[];
}

export interface AccessChange<T extends readonly Statement[]> {
  readonly statements: T;
  /** What the state will be. */
  readonly after: AccessState;
  /** The parameter to blame when the change would lock everybody out. */
  readonly parameter: string;
}

/** Stores a change that was decided on the present state; `plan` may run again on a newer one. Returns the results. */
export type CommitAccessChange = <const T extends readonly Statement[]>(
  plan: (state: AccessState) => AccessChange<T>,
) => Promise<BatchResponse<T>>;

/**
 * Makes the one way by which admins and policies change: the change is stored in the same transaction that checks
 * that the state it was decided on still holds, and never if it would leave nobody who may change policies.
 */
export function createCommitAccessChange(deps: {
  readonly epoch: Epoch;
  readonly admins: AdminRepository;
  readonly policies: PolicyRepository;
}): CommitAccessChange {
  const { epoch, admins, policies } = deps;
  return (plan) =>
    untilCommitted(async () => {
      const change = plan({ policies: await policies.list(), admins: await admins.list() });
      refuseLockOut(change);
      return epoch.commit([ADMINS, POLICIES], change.statements);
    });
}

function refuseLockOut({ after, parameter }: Pick<AccessChange<[]>, "after" | "parameter">): void {
  if (someoneMayWritePolicies(after)) return;
  throw new SealpostError(
    "invalid_parameter",
    `ERR905: Invalid parameter: ${parameter}: this would leave no enabled admin who may change policies (policywrite)`,
    { parameter },
  );
}

/** Counts only policies that hold at any address and time: the others may not apply when they are needed. */
export function someoneMayWritePolicies({ admins, policies }: AccessState): boolean {
  const enabled = admins.filter((admin) => admin.enabled);
  const active = policies.filter((policy) => policy.active);
  if (active.length === 0) return enabled.length > 0;
  const lasting = active.filter(
    (policy) => policy.client.length === 0 && policy.time === "" && grants(policy, "policywrite"),
  );
  return lasting.some((policy) => enabled.some((admin) => namesAdmin(policy, admin)));
}
