import { and, eq, gt, lt, lte, sql } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { PluginStore } from "sealpost/plugin";
import { MOST_VALID_SECONDS } from "./config.ts";

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

/** Wrong codes until a registration is void. */
export const MOST_TRIES = 5;

/** How far the clocks of machines on one database may differ. */
const CLOCK_SKEW_MS = 60_000;

export type PendingRepository = ReturnType<typeof createPendingRepository>;

/** Registrations that wait. What writes is an unexecuted statement for `commit`. */
export function createPendingRepository({ write }: Pick<PluginStore, "write">) {
  return {
    insert(row: Omit<PendingRow, "tries" | "confirmedBy">) {
      return write.insert(pending).values({ ...row, tries: 0, confirmedBy: "" });
    },

    /** Tries a code: a wrong one is counted in the same statement. Returns the row if it still waits. */
    tryCode(id: string, codeMac: string, now: Date) {
      const waits = and(
        eq(pending.confirmedBy, ""),
        lt(pending.tries, MOST_TRIES),
        gt(pending.expiresAt, now),
        // A clock that was put back lets no code live longer.
        lte(pending.expiresAt, new Date(now.getTime() + MOST_VALID_SECONDS * 1_000 + CLOCK_SKEW_MS)),
      );
      return write
        .update(pending)
        .set({ tries: sql`${pending.tries} + (${pending.codeMac} <> ${codeMac})` })
        .where(and(eq(pending.id, id), waits))
        .returning();
    },

    /** Ends one that waits, and forgets whom it was about. */
    confirm(id: string, confirmedBy: string) {
      const forgotten = { email: "", phone: "", givenname: "", surname: "", passwordHash: "", codeMac: "" };
      return write
        .update(pending)
        .set({ ...forgotten, confirmedBy })
        .where(and(eq(pending.id, id), eq(pending.confirmedBy, "")));
    },

    /** Selects a registration that a request has confirmed. */
    confirmedBy: (id: string, request: string) => (database: PluginStore["read"]) =>
      database
        .select({ id: pending.id })
        .from(pending)
        .where(and(eq(pending.id, id), eq(pending.confirmedBy, request))),

    remove(id: string) {
      return write.delete(pending).where(eq(pending.id, id));
    },

    /** Deletes what has expired. */
    prune(now: Date) {
      return write.delete(pending).where(lt(pending.expiresAt, now));
    },
  };
}
