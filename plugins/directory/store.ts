import { and, asc, eq, type SQL, sql } from "drizzle-orm";
import { sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { PluginStore } from "sealpost/plugin";
import { addressKey, type NewUser, nameKey, type UserName } from "sealpost/plugin";

/** Users as queries see them; `migrations/*.sql` makes the table. */
export const user = sqliteTable("directory_user", {
  id: text("id").primaryKey(),
  /** Folded, as realms are told apart by it. */
  realm: text("realm").notNull(),
  /** The folded user name, unique in a realm. */
  nameKey: text("name_key").notNull(),
  /** As it was given, NFC. */
  username: text("username").notNull(),
  email: text("email").notNull(),
  emailKey: text("email_key").notNull(),
  phone: text("phone").notNull(),
  givenname: text("givenname").notNull(),
  surname: text("surname").notNull(),
  /** PHC string; empty: no password. */
  passwordHash: text("password_hash").notNull(),
});
export type UserRow = typeof user.$inferSelect;

/** Columns that can be searched, and what makes a given text comparable with what is stored. */
const SEARCHED = {
  username: { column: user.nameKey, fold: nameKey },
  realm: { column: user.realm, fold: nameKey },
  userid: { column: user.id, fold: String },
  email: { column: user.emailKey, fold: addressKey },
  phone: { column: user.phone, fold: String },
  givenname: { column: user.givenname, fold: (text: string) => text.normalize("NFC") },
  surname: { column: user.surname, fold: (text: string) => text.normalize("NFC") },
} as const;
export type UserFilter = { readonly [N in keyof typeof SEARCHED]?: string | undefined };

export interface Page {
  /** 1, 2, … */
  readonly page: number;
  readonly pageSize: number;
}

export type UserRepository = ReturnType<typeof createUserRepository>;

/** The table of users. What writes is an unexecuted statement for `commit`. */
export function createUserRepository({ read, write }: Pick<PluginStore, "read" | "write">) {
  return {
    /** If there is no such user, a row of nulls is read, so that it takes about as long. */
    async find(name: UserName): Promise<UserRow | undefined> {
      const found = await read.select({ user }).from(sql`(SELECT 1)`).leftJoin(user, isNamed(name)).get();
      return found?.user ?? undefined;
    },

    /** The same as a statement, by the first of several names that there is or by an expression for the id. */
    select(by: { readonly names: readonly UserName[] } | { readonly id: SQL }) {
      const id = "id" in by ? by.id : idOf(by.names);
      return read.select({ user }).from(sql`(SELECT 1)`).leftJoin(user, sql`${user.id} = ${id}`);
    },

    async findByAddress(email: string): Promise<UserRow[]> {
      const key = addressKey(email);
      // The index leaves out those without an address, and so does the question.
      const where = and(eq(user.emailKey, key), sql`${user.emailKey} <> ''`);
      return read.select().from(user).where(where).orderBy(asc(user.realm), asc(user.nameKey));
    },

    async list(realm?: string): Promise<UserRow[]> {
      const where = realm === undefined ? undefined : eq(user.realm, nameKey(realm));
      return read.select().from(user).where(where).orderBy(asc(user.realm), asc(user.nameKey));
    },

    /** Those that every given pattern fits: `*` stands for any characters, letter case does not count. */
    async search(filter: UserFilter, { page, pageSize }: Page): Promise<UserRow[]> {
      return read
        .select()
        .from(user)
        .where(and(...conditions(filter)))
        .orderBy(asc(user.realm), asc(user.nameKey))
        .limit(pageSize)
        .offset((page - 1) * pageSize);
    },

    /** Does nothing if the user of this id is there; a name of somebody else breaks a constraint. */
    insert({ id, username, realm, email, phone, givenname, surname, passwordHash }: NewUser) {
      const stored = {
        id,
        realm: nameKey(realm),
        nameKey: nameKey(username),
        username: username.normalize("NFC"),
      };
      const more = { email, emailKey: addressKey(email), phone, givenname, surname, passwordHash };
      const row: UserRow = { ...stored, ...more };
      const columns = sql.raw(Object.keys(row).map(columnOf).join(", "));
      const values = sql.join(
        Object.values(row).map((value) => sql`${value}`),
        sql`, `,
      );
      return write.run(sql`INSERT INTO ${user} (${columns}) SELECT ${values}
        WHERE NOT EXISTS (SELECT 1 FROM ${user} WHERE ${user.id} = ${id})`);
    },

    setPasswordHash(name: UserName, passwordHash: string) {
      return write.update(user).set({ passwordHash }).where(isNamed(name));
    },

    /** A better hash of the same password; nothing if the password was changed in the meantime. */
    rehash({ id, passwordHash }: UserRow, better: string) {
      const where = and(eq(user.id, id), eq(user.passwordHash, passwordHash));
      return write.update(user).set({ passwordHash: better }).where(where);
    },

    /** Breaks a constraint, and with it the whole commit, if the statement before it changed no row. */
    requireChange() {
      return write.run(sql`INSERT INTO ${user} (id) SELECT NULL WHERE changes() = 0`);
    },

    remove(name: UserName) {
      return write.delete(user).where(isNamed(name));
    },
  };
}

function isNamed({ username, realm }: UserName): SQL | undefined {
  return and(eq(user.realm, nameKey(realm)), eq(user.nameKey, nameKey(username)));
}

/** The id of the first of these users that there is; NULL if there is none. */
export function idOf(names: readonly UserName[]): SQL {
  const isOneOf = names.map((name) => sql`(${isNamed(name)})`);
  const order = names.map((name) => sql`(${isNamed(name)}) DESC`);
  return sql`(SELECT ${user.id} FROM ${user} WHERE ${sql.join(isOneOf, sql` OR `)}
    ORDER BY ${sql.join(order, sql`, `)} LIMIT 1)`;
}

function conditions(filter: UserFilter): SQL[] {
  return Object.entries(filter).flatMap(([name, pattern]) => {
    if (pattern === undefined) return [];
    const { column, fold } = SEARCHED[name as keyof typeof SEARCHED];
    const like = fold(pattern)
      .replace(/[\\%_]/g, "\\$&")
      .replaceAll("*", "%");
    return [sql`${column} LIKE ${like} ESCAPE '\\'`];
  });
}

function columnOf(key: string): string {
  return user[key as keyof UserRow].name;
}
