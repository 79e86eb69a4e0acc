import type { Database, Statement } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import type { Admin } from "../domain/admin.ts";
import { type AuditActor, auditEntry } from "../domain/audit.ts";
import { clientNetwork } from "../domain/network.ts";
import type { Secret } from "../domain/secret.ts";
import { invalidParameter, SealpostError } from "../errors.ts";
import type { AdminRepository } from "../storage/admins.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import type { AccessState, CommitAccessChange } from "./commit-change.ts";
import type { Passwords } from "./passwords.ts";

export interface AdminName {
  readonly username: string;
  /** Empty for local admins. */
  readonly realm: string;
}
export type Admins = ReturnType<typeof createAdmins>;

/** Reading and changing admins; each change and its audit row are one transaction. */
export function createAdmins(parts: {
  readonly database: Database;
  readonly repository: AdminRepository;
  readonly audit: AuditRepository;
  readonly passwords: Passwords;
  readonly commitChange: CommitAccessChange;
  readonly platform: Platform;
  readonly newId: () => string;
}) {
  const { database, repository, audit, passwords, commitChange, platform, newId } = parts;
  /** @param client address of the client; empty: the operator. */
  const hash = (password: Secret, client: string) =>
    passwords.hash(password.reveal(), { client: client === "" ? null : clientNetwork(client) });

  async function freshAdmin(name: AdminName, password: Secret, client: string): Promise<Admin> {
    const passwordHash = await hash(password, client);
    return { id: newId(), ...name, passwordHash, enabled: true, generation: 1 };
  }

  async function change(
    name: AdminName,
    actor: AuditActor,
    fields: string,
    plan: (state: AccessState) => { readonly statement: Statement; readonly admins: readonly Admin[] },
  ): Promise<void> {
    const identifier = displayName(name);
    const row = audit.insert(auditEntry(actor, platform.now(), { success: true, identifier, fields }));
    await commitChange((state) => {
      const { statement, admins } = plan(state);
      return { statements: [statement, row], after: { ...state, admins }, parameter: "username" };
    });
  }

  return {
    list: () => repository.list(),

    /** Makes the first admin if there is none; several processes may try at once. @returns whether this one did. */
    async makeFirst(name: AdminName, password: Secret): Promise<boolean> {
      const [inserted] = await database.commit([
        repository.insertFirst(await freshAdmin(name, password, "")),
      ]);
      return inserted.rowsAffected > 0;
    },

    /** @throws {SealpostError} `invalid_parameter` if the name is taken. */
    async add(name: AdminName, password: Secret, actor: AuditActor): Promise<void> {
      const row = await freshAdmin(name, password, actor.client);
      await change(name, actor, "password", ({ admins }) => {
        if (admins.some((admin) => isNamed(admin, name)))
          throw invalidParameter("username", `${displayName(name)} is there already`);
        return { statement: repository.insert(row), admins: [...admins, row] };
      });
    },

    /** Sets a password; tokens given out before are void. @throws `resource_not_found`. */
    async setPassword(name: AdminName, password: Secret, actor: AuditActor): Promise<void> {
      const passwordHash = await hash(password, actor.client);
      await change(name, actor, "password", ({ admins }) => {
        return { statement: repository.setPassword(found(admins, name).id, passwordHash), admins };
      });
    },

    /** @throws {SealpostError} `resource_not_found`; `invalid_parameter` if it would lock everybody out. */
    async setEnabled(name: AdminName, enabled: boolean, actor: AuditActor): Promise<void> {
      await change(name, actor, "enabled", ({ admins }) => {
        const { id } = found(admins, name);
        const after = admins.map((admin) => (admin.id === id ? { ...admin, enabled } : admin));
        return { statement: repository.setEnabled(id, enabled), admins: after };
      });
    },
  };
}

export function displayName({ username, realm }: AdminName): string {
  return realm === "" ? username : `${username}@${realm}`;
}

function isNamed(admin: Admin, name: AdminName): boolean {
  return admin.username === name.username && admin.realm === name.realm;
}

function found(admins: readonly Admin[], name: AdminName): Admin {
  const admin = admins.find((candidate) => isNamed(candidate, name));
  if (admin) return admin;
  throw new SealpostError("resource_not_found", "The requested Admin could not be found.");
}
