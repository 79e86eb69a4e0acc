import { and, eq, notExists, sql } from "drizzle-orm";
import type { Database } from "../contracts/database.ts";
import type { Admin } from "../domain/admin.ts";
import { ADMINS, type Epoch } from "./epoch.ts";
import { admin } from "./schema.ts";

export type AdminRepository = ReturnType<typeof createAdminRepository>;

/** Who may log in. What writes is an unexecuted statement for `commit`. */
export function createAdminRepository({ write }: Database, epoch: Epoch) {
  return {
    list: (): Promise<readonly Admin[]> => epoch.rows(ADMINS),

    async find(username: string, realm: string): Promise<Admin | undefined> {
      return (await epoch.rows(ADMINS)).find((row) => row.username === username && row.realm === realm);
    },

    async get(id: string): Promise<Admin | undefined> {
      return (await epoch.rows(ADMINS)).find((row) => row.id === id);
    },

    /** Violates a constraint if the name is taken in that realm. */
    insert(row: Admin) {
      return write.insert(admin).values(row);
    },

    /** Affects no row if there is an admin already. */
    insertFirst(row: Admin) {
      return write.run(sql`
        INSERT INTO admin (id, username, realm, password_hash, enabled, generation)
        SELECT ${row.id}, ${row.username}, ${row.realm}, ${row.passwordHash},
          ${sql.param(row.enabled, admin.enabled)}, ${sql.param(row.generation, admin.generation)}
        WHERE ${notExists(write.select({ id: admin.id }).from(admin))}`);
    },

    /** Sets a password and voids the admin's tokens. */
    setPassword(id: string, passwordHash: string) {
      return write
        .update(admin)
        .set({ passwordHash, generation: sql`${admin.generation} + 1` })
        .where(eq(admin.id, id));
    },

    /** Stores the same password under newer parameters; affects no row if it was changed meanwhile. */
    rehash(id: string, from: string, to: string) {
      return write
        .update(admin)
        .set({ passwordHash: to })
        .where(and(eq(admin.id, id), eq(admin.passwordHash, from)));
    },

    /** Enables or disables, and voids the admin's tokens. */
    setEnabled(id: string, enabled: boolean) {
      return write
        .update(admin)
        .set({ enabled, generation: sql`${admin.generation} + 1` })
        .where(eq(admin.id, id));
    },
  };
}
