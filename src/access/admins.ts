import type { Database, Statement } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import type { Admin } from "../domain/admin.ts";
import { type AuditActor, auditEntry } from "../domain/audit.ts";
import { type AdminName, displayName } from "../domain/names.ts";
import { clientNetwork } from "../domain/network.ts";
import type { Secret } from "../domain/secret.ts";
import { missingParameter, SealpostError } from "../errors.ts";
import type { AdminRepository } from "../storage/admins.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import type { AccessState, CommitAccessChange } from "./commit-change.ts";
import type { Passwords } from "./passwords.ts";

/** Names of changed fields in the audit log. */
const FIELD_NAMES: Readonly<Record<string, string>> = { passwordHash: "password", enabled: "enabled" };

/** The largest whole number of bytes that a JSON number holds exactly. */
const GENERATION_BYTES = 6;

/** The fields of an admin to change; the others stay. */
interface AdminChanges {
  readonly password?: Secret | undefined;
  readonly enabled?: boolean | undefined;
}

interface SaveCondition {
  /** Only a name that no admin has. */
  readonly createOnly?: boolean;
  /** Only an admin who exists. */
  readonly changeOnly?: boolean;
}

/**
 * Reads and changes admins. Each change and its audit row are one transaction. A password that is not allowed is rejected
 * with `invalid_parameter`.
 */
export interface Admins {
  list(): Promise<readonly Admin[]>;
  /** Creates the first admin unless one exists; several processes may try concurrently. @returns whether this one did. */
  makeFirst(name: AdminName, password: Secret): Promise<boolean>;
  /**
   * Creates an admin, enabled by default, or changes what is given. Any change revokes earlier tokens.
   * @throws {SealpostError} `missing_parameter` for a new admin without a password; `invalid_parameter` if it would lock all
   * admins out; `stale` if the condition does not hold.
   */
  save(name: AdminName, changes: AdminChanges, actor: AuditActor, condition?: SaveCondition): Promise<void>;
  /** Deletes an admin. @throws {SealpostError} `resource_not_found`; `invalid_parameter` if it would lock all admins out. */
  remove(name: AdminName, actor: AuditActor): Promise<void>;
}

export function createAdmins(deps: {
  readonly database: Database;
  readonly repository: AdminRepository;
  readonly audit: AuditRepository;
  readonly passwords: Passwords;
  readonly commitChange: CommitAccessChange;
  readonly platform: Platform;
  readonly newId: () => string;
}): Admins {
  const { database, repository, passwords, platform, newId } = deps;
  const commit = createCommit(deps);

  /** @param client IP address of the client, or empty for the operator. */
  async function hash({ username }: AdminName, password: Secret, client: string): Promise<string> {
    await passwords.assertAllowed(password.reveal(), { username });
    return passwords.hash(password.reveal(), { client: client === "" ? null : clientNetwork(client) });
  }

  /** @param assertStored throws unless the admin, or `undefined`, may be changed. */
  async function put(
    name: AdminName,
    { password, enabled }: AdminChanges,
    actor: AuditActor,
    assertStored: (stored: Admin | undefined) => void,
  ): Promise<void> {
    const passwordHash = password && (await hash(name, password, actor.client));
    await commit(name, actor, ({ admins }) => {
      const stored = admins.find((admin) => isNamed(admin, name));
      assertStored(stored);
      const base = stored ?? { id: newId(), ...name, passwordHash: "", enabled: true, generation: 0 };
      const changes = {
        ...(passwordHash !== undefined && { passwordHash }),
        ...(enabled !== undefined && enabled !== stored?.enabled && { enabled }),
      };
      const fields = Object.keys(changes);
      if (fields.length === 0) return { statements: [], admins, fields: "" };
      const row = { ...base, ...changes, generation: newGeneration(platform) };
      const others = admins.filter((admin) => admin !== stored);
      return {
        statements: [repository.put(row)],
        admins: [...others, row],
        fields: fields.map((field) => FIELD_NAMES[field]).join(","),
      };
    });
  }

  return {
    list: () => repository.list(),

    async makeFirst(name, password) {
      const passwordHash = await hash(name, password, "");
      const row = { id: newId(), ...name, passwordHash, enabled: true, generation: newGeneration(platform) };
      const [inserted] = await database.commit([repository.insertFirst(row)]);
      return inserted.rowsAffected > 0;
    },

    save: (name, changes, actor, condition = {}) =>
      put(name, changes, actor, (stored) => {
        assertCondition(name, stored, condition);
        if (!stored && changes.password === undefined) throw missingParameter("password");
      }),

    remove: (name, actor) =>
      commit(name, actor, ({ admins }) => {
        const stored = admins.find((admin) => isNamed(admin, name));
        assertExists(stored);
        const after = admins.filter((admin) => admin !== stored);
        return { statements: [repository.remove(stored.id)], admins: after, fields: "" };
      }),
  };
}

function assertCondition(
  name: AdminName,
  stored: Admin | undefined,
  { createOnly = false, changeOnly = false }: SaveCondition,
): void {
  if (createOnly && stored) throw new SealpostError("stale", `${displayName(name)} exists already`);
  if (changeOnly && !stored) throw new SealpostError("stale", `There is no admin ${displayName(name)}`);
}

/** Returns a random number, so that a copy of the database cannot make tokens for a later password. */
function newGeneration({ randomBytes }: Pick<Platform, "randomBytes">): number {
  return Number.parseInt(randomBytes(GENERATION_BYTES).toHex(), 16);
}

/** A change of one admin, planned on the current state. */
type Commit = (
  name: AdminName,
  actor: AuditActor,
  plan: (state: AccessState) => {
    readonly statements: readonly Statement[];
    readonly admins: readonly Admin[];
    /** Names of the changed fields. */
    readonly fields: string;
  },
) => Promise<void>;

/** Creates the commit of a change with its audit row. */
function createCommit({
  audit,
  commitChange,
  platform,
}: {
  readonly audit: AuditRepository;
  readonly commitChange: CommitAccessChange;
  readonly platform: Pick<Platform, "now">;
}): Commit {
  return async (name, actor, plan) => {
    const identifier = displayName(name);
    await commitChange((state) => {
      const { statements, admins, fields } = plan(state);
      const row = audit.insert(auditEntry(actor, platform.now(), { success: true, identifier, fields }));
      return { statements: [...statements, row], after: { ...state, admins }, parameter: "username" };
    });
  };
}

function isNamed(admin: Admin, name: AdminName): boolean {
  return admin.username === name.username && admin.realm === name.realm;
}

/** @throws {SealpostError} `resource_not_found`. */
function assertExists(admin: Admin | undefined): asserts admin is Admin {
  if (!admin) throw new SealpostError("resource_not_found", "The requested Admin could not be found.");
}
