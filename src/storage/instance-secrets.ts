import { eq, sql } from "drizzle-orm";
import type { Database, RowsStatement, WriteStatement } from "../contracts/database.ts";
import { prepareStatement, STATEMENTS } from "./drizzle.ts";
import { instance } from "./schema.ts";

/** Secrets that belong to the database, sealed, by name. */
export interface InstanceSecretRepository {
  /** Selects all secrets. */
  select(): RowsStatement<{ name: string; value: string }>;
  read(name: string): Promise<string | undefined>;
  /** Returns all secrets. @param table name of the table that has them. */
  readFrom(table: string): Promise<readonly { readonly name: string; readonly value: string }[]>;
  /** Affects no row if the name exists: the first of several processes wins. */
  insert(name: string, value: string): WriteStatement;
  remove(name: string): WriteStatement;
  /** Deletes every secret whose name starts with this. */
  removeAll(prefix: string): WriteStatement;
}

const select = prepareStatement(() => STATEMENTS.select().from(instance));

export function createInstanceSecretRepository({ read, write }: Database): InstanceSecretRepository {
  return {
    select,

    async read(name) {
      return (await read.select().from(instance).where(eq(instance.name, name)).get())?.value;
    },

    readFrom: (table) =>
      read.all(
        sql`SELECT CAST(name AS TEXT) AS name, CAST(value AS TEXT) AS value FROM ${sql.identifier(table)}`,
      ),

    remove: (name) => write.delete(instance).where(eq(instance.name, name)),

    removeAll: (prefix) =>
      write.delete(instance).where(sql`substr(${instance.name}, 1, ${prefix.length}) = ${prefix}`),

    insert: (name, value) => write.insert(instance).values({ name, value }).onConflictDoNothing(),
  };
}
