import { and, asc, eq, notExists, sql } from "drizzle-orm";
import type { Admin } from "../domain/admin.ts";
import type { Database } from "./database.ts";
import { admin } from "./schema.ts";

export type AdminRepository = ReturnType<typeof createAdminRepository>;

/** Who may log in. What writes is an unexecuted statement for `commit`. */
export function createAdminRepository({ read, write }: Database) {
  // Every request runs it, and building a statement takes longer than running it.
  const byId = read
    .select()
    .from(admin)
    .where(eq(admin.id, sql.placeholder("id")))
    .prepare();
  return {
    async list(): Promise<Admin[]> {
      return read.select().from(admin).orderBy(asc(admin.realm), asc(admin.username));
    },

    async find(username: string, realm: string): Promise<Admin | undefined> {
      const named = and(eq(admin.username, username), eq(admin.realm, realm));
      return read.select().from(admin).where(named).get();
    },

    async get(id: string): Promise<Admin | undefined> {
      return byId.get({ id });
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
