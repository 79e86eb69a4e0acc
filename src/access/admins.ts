import type { Database, Statement } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import type { Admin } from "../domain/admin.ts";
import { type AuditActor, auditEntry } from "../domain/audit.ts";
import { type AdminName, displayName } from "../domain/names.ts";
import { clientNetwork } from "../domain/network.ts";
import type { Secret } from "../domain/secret.ts";
import { invalidParameter, SealpostError } from "../errors.ts";
import type { AdminRepository } from "../storage/admins.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import type { AccessState, CommitAccessChange } from "./commit-change.ts";
import type { Passwords } from "./passwords.ts";

/** The largest whole number of bytes that a JSON number holds exactly. */
const GENERATION_BYTES = 6;

/**
 * Reads and changes admins. Each change and its audit row are one transaction. A password that is not allowed is rejected
 * with `invalid_parameter`.
 */
export interface Admins {
  list(): Promise<readonly Admin[]>;
  /** Creates the first admin unless one exists; several processes may try concurrently. @returns whether this one did. */
  makeFirst(name: AdminName, password: Secret): Promise<boolean>;
  /** @throws {SealpostError} `invalid_parameter` if the name is taken. */
  add(name: AdminName, password: Secret, actor: AuditActor): Promise<void>;
  /** Sets a password and revokes earlier tokens. @throws {SealpostError} `resource_not_found`; `invalid_parameter`. */
  setPassword(name: AdminName, password: Secret, actor: AuditActor): Promise<void>;
  /** @throws {SealpostError} `resource_not_found`; `invalid_parameter` if it would lock all admins out. */
  setEnabled(name: AdminName, enabled: boolean, actor: AuditActor): Promise<void>;
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
  const { database, repository, audit, passwords, commitChange, platform, newId } = deps;

  /** @param client IP address of the client, or empty for the operator. */
  async function hash({ username }: AdminName, password: Secret, client: string): Promise<string> {
    await passwords.assertAllowed(password.reveal(), { username });
    return passwords.hash(password.reveal(), { client: client === "" ? null : clientNetwork(client) });
  }

  /** Random, so that a copy of the database cannot make tokens for a later password. */
  const newGeneration = () => Number.parseInt(platform.randomBytes(GENERATION_BYTES).toHex(), 16);

  async function newAdmin(name: AdminName, password: Secret, client: string): Promise<Admin> {
    const passwordHash = await hash(name, password, client);
    return { id: newId(), ...name, passwordHash, enabled: true, generation: newGeneration() };
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

    async makeFirst(name, password) {
      const [inserted] = await database.commit([repository.insertFirst(await newAdmin(name, password, ""))]);
      return inserted.rowsAffected > 0;
    },

    async add(name, password, actor) {
      const row = await newAdmin(name, password, actor.client);
      await change(name, actor, "password", ({ admins }) => {
        if (admins.some((admin) => isNamed(admin, name)))
          throw invalidParameter("username", `${displayName(name)} exists already`);
        return { statement: repository.insert(row), admins: [...admins, row] };
      });
    },

    async setPassword(name, password, actor) {
      const passwordHash = await hash(name, password, actor.client);
      await change(name, actor, "password", ({ admins }) => {
        return {
          statement: repository.setPassword(findAdmin(admins, name).id, passwordHash, newGeneration()),
          admins,
        };
      });
    },

    async setEnabled(name, enabled, actor) {
      await change(name, actor, "enabled", ({ admins }) => {
        const { id } = findAdmin(admins, name);
        const after = admins.map((admin) => (admin.id === id ? { ...admin, enabled } : admin));
        return { statement: repository.setEnabled(id, enabled, newGeneration()), admins: after };
      });
    },
  };
}

function isNamed(admin: Admin, name: AdminName): boolean {
  return admin.username === name.username && admin.realm === name.realm;
}

/** @throws {SealpostError} `resource_not_found`. */
function findAdmin(admins: readonly Admin[], name: AdminName): Admin {
  const admin = admins.find((candidate) => isNamed(candidate, name));
  if (admin) return admin;
  throw new SealpostError("resource_not_found", "The requested Admin could not be found.");
}
