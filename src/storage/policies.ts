import { eq } from "drizzle-orm";
import type { Database } from "../contracts/database.ts";
import type { Policy, PolicyFields } from "../domain/policy.ts";
import { type Epoch, POLICIES } from "./epoch.ts";
import { policy } from "./schema.ts";

export type PolicyRepository = ReturnType<typeof createPolicyRepository>;

/** Policies by name. What writes is an unexecuted statement for `commit`. */
export function createPolicyRepository({ write }: Database, epoch: Epoch) {
  return {
    /** All policies, by priority and name. */
    async list(): Promise<Policy[]> {
      return (await epoch.rows(POLICIES)).map((row) => ({ ...row, scope: "admin" as const }));
    },

    /** Adds the policy, or replaces the one of the same name, which keeps its number, and returns the number. */
    put(fields: PolicyFields) {
      return write
        .insert(policy)
        .values(fields)
        .onConflictDoUpdate({ target: policy.name, set: fields })
        .returning({ id: policy.id });
    },

    setActive(name: string, active: boolean) {
      return write.update(policy).set({ active }).where(eq(policy.name, name));
    },

    remove(name: string) {
      return write.delete(policy).where(eq(policy.name, name));
    },
  };
}
