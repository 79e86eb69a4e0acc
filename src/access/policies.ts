import type { Platform } from "../contracts/platform.ts";
import { type AuditActor, auditEntry } from "../domain/audit.ts";
import type { Policy, PolicyFields } from "../domain/policy.ts";
import { SealpostError } from "../errors.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import type { Statement } from "../storage/database.ts";
import type { PolicyRepository } from "../storage/policies.ts";
import type { AccessState, CommitAccessChange } from "./change.ts";

export type Policies = ReturnType<typeof createPolicies>;

/** Reading and changing admin policies; each change and its audit row are one transaction. */
export function createPolicies(parts: {
  readonly repository: PolicyRepository;
  readonly audit: AuditRepository;
  readonly commitChange: CommitAccessChange;
  readonly platform: Platform;
}) {
  const { repository, audit, commitChange, platform } = parts;

  async function change(
    name: string,
    actor: AuditActor,
    statement: Statement,
    next: (state: AccessState) => readonly Policy[],
    fields = "",
  ): Promise<void> {
    const entry = auditEntry(actor, platform.now(), { success: true, identifier: name, fields });
    await commitChange((state) => ({
      statements: [statement, audit.insert(entry)],
      after: { ...state, policies: next(state) },
      parameter: "name",
    }));
  }

  return {
    list: () => repository.list(),

    /** Adds or replaces a policy. @returns its number. @throws `invalid_parameter` if it would lock everybody out. */
    async save(fields: PolicyFields, actor: AuditActor): Promise<number> {
      const others = (state: AccessState) => state.policies.filter((policy) => policy.name !== fields.name);
      const next = (state: AccessState) => [...others(state), { ...fields, id: 0 }];
      await change(fields.name, actor, repository.put(fields), next, Object.keys(fields).join(","));
      return found(await repository.list(), fields.name).id;
    },

    /** @returns the number. @throws `resource_not_found`. */
    async remove(name: string, actor: AuditActor): Promise<number> {
      const { id } = found(await repository.list(), name);
      const next = (state: AccessState) => state.policies.filter((policy) => policy.name !== name);
      await change(name, actor, repository.remove(name), next);
      return id;
    },

    /** @returns the number. @throws `resource_not_found`. */
    async setActive(name: string, active: boolean, actor: AuditActor): Promise<number> {
      const { id } = found(await repository.list(), name);
      const next = (state: AccessState) =>
        state.policies.map((policy) => (policy.name === name ? { ...policy, active } : policy));
      await change(name, actor, repository.setActive(name, active), next, "active");
      return id;
    },
  };
}

function found(policies: readonly Policy[], name: string): Policy {
  const policy = policies.find((candidate) => candidate.name === name);
  if (policy) return policy;
  throw new SealpostError("resource_not_found", "The requested Policy could not be found.");
}
