import type { Statement } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import { type AuditActor, auditEntry } from "../domain/audit.ts";
import type { Policy, PolicyFields } from "../domain/policy.ts";
import { SealpostError } from "../errors.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import type { PolicyRepository } from "../storage/policies.ts";
import type { CommitAccessChange } from "./commit-change.ts";

export type Policies = ReturnType<typeof createPolicies>;

/** Reading and changing admin policies; each change and its audit row are one transaction. */
export function createPolicies(parts: {
  readonly repository: PolicyRepository;
  readonly audit: AuditRepository;
  readonly commitChange: CommitAccessChange;
  readonly platform: Platform;
}) {
  const { repository, audit, commitChange, platform } = parts;

  /** @param next what the policies will be, and the names of the fields that change. */
  async function change<S extends Statement>(
    name: string,
    actor: AuditActor,
    statement: S,
    next: (policies: readonly Policy[]) => { readonly after: readonly Policy[]; readonly fields: string },
  ): Promise<S["_"]["result"]> {
    const [result] = await commitChange((state) => {
      const { after, fields } = next(state.policies);
      const entry = auditEntry(actor, platform.now(), { success: true, identifier: name, fields });
      return {
        statements: [statement, audit.insert(entry)],
        after: { ...state, policies: after },
        parameter: "name",
      } as const;
    });
    return result;
  }

  return {
    list: () => repository.list(),

    /** Adds or replaces a policy. @returns its number. @throws `invalid_parameter` if it would lock everybody out. */
    async save(fields: PolicyFields, actor: AuditActor): Promise<number> {
      const [row] = await change(fields.name, actor, repository.put(fields), (policies) => {
        const stored = policies.find((policy) => policy.name === fields.name);
        const others = policies.filter((policy) => policy !== stored);
        return { after: [...others, { ...fields, id: 0 }], fields: changedFields(fields, stored) };
      });
      if (row === undefined) throw new TypeError("A policy that was saved has a number");
      return row.id;
    },

    /** @returns the number. @throws `resource_not_found`. */
    async remove(name: string, actor: AuditActor): Promise<number> {
      let id = 0;
      await change(name, actor, repository.remove(name), (policies) => {
        const stored = found(policies, name);
        id = stored.id;
        return { after: policies.filter((policy) => policy !== stored), fields: "" };
      });
      return id;
    },

    /** @returns the number. @throws `resource_not_found`. */
    async setActive(name: string, active: boolean, actor: AuditActor): Promise<number> {
      let id = 0;
      await change(name, actor, repository.setActive(name, active), (policies) => {
        const stored = found(policies, name);
        id = stored.id;
        const after = policies.map((policy) => (policy === stored ? { ...policy, active } : policy));
        return { after, fields: stored.active === active ? "" : "active" };
      });
      return id;
    },
  };
}

/** Names of what is other than before. */
function changedFields(fields: PolicyFields, stored: Policy | undefined): string {
  const names = Object.keys(fields) as (keyof PolicyFields)[];
  const changed = names.filter(
    (name) => name !== "name" && JSON.stringify(fields[name]) !== JSON.stringify(stored?.[name]),
  );
  return changed.join(",");
}

function found(policies: readonly Policy[], name: string): Policy {
  const policy = policies.find((candidate) => candidate.name === name);
  if (policy) return policy;
  throw new SealpostError("resource_not_found", "The requested Policy could not be found.");
}
