import { and, eq, notExists, sql } from "drizzle-orm";
import type { Database, WriteStatement } from "../contracts/database.ts";
import type { Admin } from "../domain/admin.ts";
import type { Epoch } from "./epoch.ts";
import { ADMINS } from "./kept-tables.ts";
import { admin } from "./schema.ts";

/** The admins. Writes are unexecuted statements for `commit`. */
export interface AdminRepository {
  list(): Promise<readonly Admin[]>;
  find(username: string, realm: string): Promise<Admin | undefined>;
  get(id: string): Promise<Admin | undefined>;
  /** Adds or replaces an admin by id. Violates a constraint if the name is taken in its realm. */
  put(row: Admin): WriteStatement;
  /** Affects no row if an admin exists. */
  insertFirst(row: Admin): WriteStatement;
  remove(id: string): WriteStatement;
  /** Stores the same password under newer parameters. Affects no row if the hash is no longer `from`. */
  rehash(id: string, from: string, to: string): WriteStatement;
}

export function createAdminRepository({ write }: Database, epoch: Epoch): AdminRepository {
  const list = () => epoch.rows(ADMINS);
  return {
    list,

    async find(username, realm) {
      return (await list()).find((row) => row.username === username && row.realm === realm);
    },

    async get(id) {
      return (await list()).find((row) => row.id === id);
    },

    put: (row) => write.insert(admin).values(row).onConflictDoUpdate({ target: admin.id, set: row }),

    insertFirst: (row) =>
      write.run(sql`
        INSERT INTO admin (id, username, realm, password_hash, enabled, generation)
        SELECT ${row.id}, ${row.username}, ${row.realm}, ${row.passwordHash},
          ${sql.param(row.enabled, admin.enabled)}, ${sql.param(row.generation, admin.generation)}
        WHERE ${notExists(write.select({ id: admin.id }).from(admin))}`),

    remove: (id) => write.delete(admin).where(eq(admin.id, id)),

    rehash: (id, from, to) =>
      write
        .update(admin)
        .set({ passwordHash: to })
        .where(and(eq(admin.id, id), eq(admin.passwordHash, from))),
  };
}
