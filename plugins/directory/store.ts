import { and, asc, eq, type SQL, sql } from "drizzle-orm";
import { sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { PluginStore, SelectStatement, WriteStatement } from "sealpost/plugin";
import {
  addressKey,
  type LookupNames,
  matchesPattern,
  type NewUser,
  nameKey,
  type UserName,
} from "sealpost/plugin";
import { type EmailChangeStore, emailChange } from "./email-change.ts";

/** Users as queries see them; `migrations/*.sql` creates the table. */
export const user = sqliteTable("directory_user", {
  id: text("id").primaryKey(),
  /** Folded with `nameKey`: realms that differ in letter case are the same. */
  realm: text("realm").notNull(),
  /** The folded user name, unique in a realm. */
  nameKey: text("name_key").notNull(),
  /** As entered, NFC. */
  username: text("username").notNull(),
  email: text("email").notNull(),
  emailKey: text("email_key").notNull(),
  phone: text("phone").notNull(),
  givenname: text("givenname").notNull(),
  surname: text("surname").notNull(),
  /** PEM text, or empty. */
  certificate: text("certificate").notNull(),
  /** PHC string, or empty if the user has no password. */
  passwordHash: text("password_hash").notNull(),
  /** The first of `lookAlikeKeys`. Empty until it is computed. */
  lookAlike: text("look_alike").notNull(),
});
export type UserRow = typeof user.$inferSelect;

/** The fields of a user that can change. */
export type UserChanges = Partial<
  Pick<UserRow, "email" | "phone" | "givenname" | "surname" | "certificate" | "passwordHash">
>;

/** Columns that can be searched, and how to fold a search term like the stored value. */
const SEARCHED = {
  username: { column: user.nameKey, fold: nameKey },
  realm: { column: user.realm, fold: nameKey },
  userid: { column: user.id, fold: String },
  email: { column: user.emailKey, fold: addressKey },
  phone: { column: user.phone, fold: String },
  givenname: { column: user.givenname, fold: (text: string) => text.normalize("NFC") },
  surname: { column: user.surname, fold: (text: string) => text.normalize("NFC") },
} as const;
type UserFilter = { readonly [N in keyof typeof SEARCHED]?: string | undefined };

interface Page {
  /** 1, 2, … */
  readonly page: number;
  readonly pageSize: number;
}

/** The statements on users. Writes are for `commit`. */
export interface UserStore {
  /** Takes about as long for an unknown user as for a known one. */
  find(name: UserName): Promise<UserRow | undefined>;
  /** Selects one row by an expression for the ID; its `user` is `null` if the user does not exist. */
  select(id: SQL): SelectStatement<{ readonly user: UserRow | null }>;
  findByAddress(email: string): Promise<UserRow[]>;
  list(realm?: string): Promise<UserRow[]>;
  /** Finds users that match every pattern, unless it is empty: `*` stands for any characters, and letter case does not matter. */
  search(filter: UserFilter, page: Page): Promise<UserRow[]>;
  /** Affects no row if the ID exists. Violates a constraint if another user has the name. */
  insert(user: NewUser, lookAlike: string): WriteStatement;
  /** Stores other values of the fields given. */
  update(id: string, changes: UserChanges): WriteStatement;
  /** Stores the address that this request confirmed, with its certificate. Affects no row if it confirmed none. */
  takeAddress(id: string, request: string): WriteStatement;
  setPasswordHash(name: UserName, passwordHash: string): WriteStatement;
  /** Stores a better hash of the same password, unless the password has changed. */
  rehash(user: UserRow, better: string): WriteStatement;
  /** Violates a constraint, which undoes the whole commit, if the statement before it changed no row. */
  requireChange(): WriteStatement;
  /** Removes a user, and before that the address that waits for its code. */
  remove(name: UserName): readonly [change: WriteStatement, user: WriteStatement];
}

/** Returns the names of the realms that have users. */
export async function realmsWithUsers({ read }: Pick<PluginStore, "read">): Promise<readonly string[]> {
  return (await read.selectDistinct({ realm: user.realm }).from(user)).map(({ realm }) => realm);
}

/** Creates the statements on users. */
export function createUserStore(
  { read, write }: Pick<PluginStore, "read" | "write">,
  changes: Pick<EmailChangeStore, "discard">,
): UserStore {
  return {
    async find(name) {
      // The join returns a row of nulls for an unknown user.
      const found = await read.select({ user }).from(sql`(SELECT 1)`).leftJoin(user, isNamed(name)).get();
      return found?.user ?? undefined;
    },

    select: (id) => read.select({ user }).from(sql`(SELECT 1)`).leftJoin(user, sql`${user.id} = ${id}`),

    async findByAddress(email) {
      const key = addressKey(email);
      // The index omits users without an address, so the condition has to as well.
      const where = and(eq(user.emailKey, key), sql`${user.emailKey} <> ''`);
      return read.select().from(user).where(where).orderBy(asc(user.realm), asc(user.nameKey));
    },

    async list(realm) {
      const where = realm === undefined ? undefined : eq(user.realm, nameKey(realm));
      return read.select().from(user).where(where).orderBy(asc(user.realm), asc(user.nameKey));
    },

    async search(filter, { page, pageSize }) {
      return read
        .select()
        .from(user)
        .where(and(...conditions(filter)))
        .orderBy(asc(user.realm), asc(user.nameKey))
        .limit(pageSize)
        .offset((page - 1) * pageSize);
    },

    insert(newUser, lookAlike) {
      const row = toRow(newUser, lookAlike);
      const columns = sql.raw(Object.keys(row).map(columnOf).join(", "));
      const values = sql.join(
        Object.values(row).map((value) => sql`${value}`),
        sql`, `,
      );
      return write.run(sql`INSERT INTO ${user} (${columns}) SELECT ${values}
        WHERE NOT EXISTS (SELECT 1 FROM ${user} WHERE ${user.id} = ${row.id})`);
    },

    update(id, { email, ...changes }) {
      const addressed = email === undefined ? changes : { ...changes, email, emailKey: addressKey(email) };
      return write.update(user).set(addressed).where(eq(user.id, id));
    },

    takeAddress(id, request) {
      const { email, emailKey, certificate, confirmedBy } = emailChange;
      return write.run(sql`UPDATE ${user} SET (email, email_key, certificate) =
          (SELECT ${email}, ${emailKey}, coalesce(${certificate}, ${user.certificate})
          FROM ${emailChange} WHERE ${confirmedBy} = ${request})
        WHERE ${user.id} = ${id} AND EXISTS (SELECT 1 FROM ${emailChange} WHERE ${confirmedBy} = ${request})`);
    },

    setPasswordHash(name, passwordHash) {
      return write.update(user).set({ passwordHash }).where(isNamed(name));
    },

    rehash({ id, passwordHash }, better) {
      const where = and(eq(user.id, id), eq(user.passwordHash, passwordHash));
      return write.update(user).set({ passwordHash: better }).where(where);
    },

    requireChange() {
      return write.run(sql`INSERT INTO ${user} (id) SELECT NULL WHERE changes() = 0`);
    },

    remove(name) {
      const id = sql`(SELECT ${user.id} FROM ${user} WHERE ${isNamed(name)})`;
      return [changes.discard(id), write.delete(user).where(isNamed(name))];
    },
  };
}

function toRow(
  { id, username, realm, email, phone, givenname, surname, certificate = "", passwordHash }: NewUser,
  lookAlike: string,
): UserRow {
  return {
    id,
    realm: nameKey(realm),
    nameKey: nameKey(username),
    username: username.normalize("NFC"),
    email,
    emailKey: addressKey(email),
    phone,
    givenname,
    surname,
    certificate,
    passwordHash,
    lookAlike,
  };
}

function isNamed({ username, realm }: UserName): SQL | undefined {
  return and(eq(user.realm, nameKey(realm)), eq(user.nameKey, nameKey(username)));
}

/**
 * The ID of the user with the first of two names whose realm exists, as an expression. NULL if there is none. A realm
 * exists if it has users or is the default one. {@link valuesOf} returns the values of its placeholders.
 */
export function idByNames(defaultRealm: string): SQL {
  const { placeholder } = sql;
  const realm = placeholder("lookupRealm");
  return sql`(SELECT ${user.id} FROM ${user} WHERE ${user.realm} = ${realm} AND ${user.nameKey} = ${placeholder("lookupName")}
    OR ${user.realm} = ${placeholder("lookupOtherRealm")} AND ${user.nameKey} = ${placeholder("lookupOtherName")}
      AND ${realm} <> ${nameKey(defaultRealm)}
      AND NOT EXISTS (SELECT 1 FROM ${user} AS other WHERE other.realm = ${realm}))`;
}

/** Returns the values of the placeholders in {@link idByNames}. A single name stands for both. */
export function valuesOf(
  [name, otherwise = name]: LookupNames,
  defaultRealm: string,
): Readonly<Record<string, string>> {
  return {
    lookupRealm: nameKey(name.realm ?? defaultRealm),
    lookupName: nameKey(name.username),
    lookupOtherRealm: nameKey(otherwise.realm ?? defaultRealm),
    lookupOtherName: nameKey(otherwise.username),
  };
}

function conditions(filter: UserFilter): SQL[] {
  return Object.entries(filter).flatMap(([name, pattern]) => {
    if (!pattern) return [];
    const { column, fold } = SEARCHED[name as keyof typeof SEARCHED];
    return [matchesPattern(column, fold(pattern))];
  });
}

function columnOf(key: string): string {
  return user[key as keyof UserRow].name;
}
