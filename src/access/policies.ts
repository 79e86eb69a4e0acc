import type { Statement } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import { type AuditActor, auditEntry } from "../domain/audit.ts";
import type { Policy, PolicyFields } from "../domain/policy.ts";
import { SealpostError } from "../errors.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import type { PolicyRepository } from "../storage/policies.ts";
import type { CommitAccessChange } from "./commit-change.ts";

/**
 * Reads and changes admin policies. Each change and its audit row are one transaction. A change that would lock all
 * admins out is rejected.
 */
export interface Policies {
  list(): Promise<readonly Policy[]>;
  /** Adds or replaces a policy. @returns its number. @throws {SealpostError} `invalid_parameter`. */
  save(fields: PolicyFields, actor: AuditActor): Promise<number>;
  /** @returns the number. @throws {SealpostError} `resource_not_found`; `invalid_parameter`. */
  remove(name: string, actor: AuditActor): Promise<number>;
  /** @returns the number. @throws {SealpostError} `resource_not_found`; `invalid_parameter`. */
  setActive(name: string, active: boolean, actor: AuditActor): Promise<number>;
}

export function createPolicies(deps: {
  readonly repository: PolicyRepository;
  readonly audit: AuditRepository;
  readonly commitChange: CommitAccessChange;
  readonly platform: Platform;
}): Policies {
  const { repository, audit, commitChange, platform } = deps;

  /** @param next returns the policies after the change, and the names of the changed fields. */
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

    async save(fields, actor) {
      const [row] = await change(fields.name, actor, repository.put(fields), (policies) => {
        const stored = policies.find((policy) => policy.name === fields.name);
        const others = policies.filter((policy) => policy !== stored);
        return { after: [...others, { ...fields, id: 0 }], fields: changedFields(fields, stored) };
      });
      if (row === undefined) throw new TypeError("A saved policy has a number");
      return row.id;
    },

    async remove(name, actor) {
      let id = 0;
      await change(name, actor, repository.remove(name), (policies) => {
        const stored = findPolicy(policies, name);
        id = stored.id;
        return { after: policies.filter((policy) => policy !== stored), fields: "" };
      });
      return id;
    },

    async setActive(name, active, actor) {
      let id = 0;
      await change(name, actor, repository.setActive(name, active), (policies) => {
        const stored = findPolicy(policies, name);
        id = stored.id;
        const after = policies.map((policy) => (policy === stored ? { ...policy, active } : policy));
        return { after, fields: stored.active === active ? "" : "active" };
      });
      return id;
    },
  };
}

/** Returns the names of the changed fields, comma-separated. */
function changedFields(fields: PolicyFields, stored: Policy | undefined): string {
  const names = Object.keys(fields) as (keyof PolicyFields)[];
  const changed = names.filter(
    (name) => name !== "name" && JSON.stringify(fields[name]) !== JSON.stringify(stored?.[name]),
  );
  return changed.join(",");
}

/** @throws {SealpostError} `resource_not_found`. */
function findPolicy(policies: readonly Policy[], name: string): Policy {
  const policy = policies.find((candidate) => candidate.name === name);
  if (policy) return policy;
  throw new SealpostError("resource_not_found", "The requested Policy could not be found.");
}
