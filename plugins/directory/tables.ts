import { sqliteTable, text } from "drizzle-orm/sqlite-core";

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
