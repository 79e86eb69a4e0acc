import { asc, eq, sql } from "drizzle-orm";
import type { Policy, PolicyFields } from "../domain/policy.ts";
import type { Database } from "./database.ts";
import { accessState, policy } from "./schema.ts";

export type PolicyRepository = ReturnType<typeof createPolicyRepository>;

/** Policies by name. What writes is an unexecuted statement for `commit`. */
export function createPolicyRepository({ read, write }: Database) {
  // Every request runs it, and building a statement takes longer than running it.
  const sorted = read.select().from(policy).orderBy(asc(policy.priority), asc(policy.name)).prepare();
  return {
    /** All policies, by priority and name. */
    async list(): Promise<Policy[]> {
      return (await sorted.all()).map((row) => ({ ...row, scope: "admin" as const }));
    },

    /** Adds the policy, or replaces the one of the same name, which keeps its number. */
    put(fields: PolicyFields) {
      return write.insert(policy).values(fields).onConflictDoUpdate({ target: policy.name, set: fields });
    },

    setActive(name: string, active: boolean) {
      return write.update(policy).set({ active }).where(eq(policy.name, name));
    },

    remove(name: string) {
      return write.delete(policy).where(eq(policy.name, name));
    },

    /** The state of admins and policies that a decision is made on. */
    async generation(): Promise<number> {
      const row = await read.select().from(accessState).get();
      return row?.generation ?? 0;
    },

    /**
     * Moves on from that state. If somebody else did so meanwhile it violates a constraint, which rolls back the
     * whole commit: what was decided on the old state is not stored.
     */
    advance(generation: number) {
      const seen = sql.param(generation, accessState.generation);
      const next = sql`CASE WHEN ${accessState.generation} = ${seen} THEN ${accessState.generation} + 1 END`;
      return write.update(accessState).set({ generation: next });
    },
  };
}
