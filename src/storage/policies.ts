import { eq } from "drizzle-orm";
import type { Database, RowsStatement, WriteStatement } from "../contracts/database.ts";
import type { Policy, PolicyFields } from "../domain/policy.ts";
import type { Epoch } from "./epoch.ts";
import { POLICIES } from "./kept-tables.ts";
import { policy } from "./schema.ts";

/** Admin policies by name. Writes are unexecuted statements for `commit`. */
export interface PolicyRepository {
  /** Lists all policies by priority and name. */
  list(): Promise<Policy[]>;
  /** Adds the policy or replaces the one of the same name, which keeps its number. Returns the number. */
  put(fields: PolicyFields): RowsStatement<{ id: number }>;
  setActive(name: string, active: boolean): WriteStatement;
  remove(name: string): WriteStatement;
}

export function createPolicyRepository({ write }: Database, epoch: Epoch): PolicyRepository {
  return {
    async list() {
      return (await epoch.rows(POLICIES)).map((row) => ({ ...row, scope: "admin" }));
    },

    put: (fields) =>
      write
        .insert(policy)
        .values(fields)
        .onConflictDoUpdate({ target: policy.name, set: fields })
        .returning({ id: policy.id }),

    setActive: (name, active) => write.update(policy).set({ active }).where(eq(policy.name, name)),

    remove: (name) => write.delete(policy).where(eq(policy.name, name)),
  };
}
