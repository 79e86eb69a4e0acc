import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** Registrations that wait for their code; several may want one name. `migrations/*.sql` makes the table. */
export const pending = sqliteTable("registration_pending", {
  /** The transaction id that the client knows. */
  id: text("id").primaryKey(),
  /** Id of the user that is made of it, whenever and however often that is tried. */
  userId: text("user_id").notNull(),
  username: text("username").notNull(),
  realm: text("realm").notNull(),
  email: text("email").notNull(),
  phone: text("phone").notNull(),
  givenname: text("givenname").notNull(),
  surname: text("surname").notNull(),
  /** PHC string. */
  passwordHash: text("password_hash").notNull(),
  /** Keyed hash of id and code. */
  codeMac: text("code_mac").notNull(),
  /** Wrong codes so far. */
  tries: integer("tries").notNull(),
  /** Which request made the user; empty: none yet. */
  confirmedBy: text("confirmed_by").notNull(),
  expiresAt: integer("expires_at", { mode: "timestamp_ms" }).notNull(),
});
export type PendingRow = typeof pending.$inferSelect;
