import { and, eq, gt, lt, lte, type SQL, sql } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import {
  MAX_CLOCK_SKEW_MS,
  type PluginStore,
  type RowsStatement,
  type SelectStatement,
  type WriteStatement,
} from "sealpost/plugin";
import { MAX_VALID_SECONDS } from "./config.ts";

/** Registrations waiting for their code; several may ask for one name. `migrations/*.sql` creates the table. */
export const pending = sqliteTable("registration_pending", {
  /** The transaction ID that the client knows. */
  id: text("id").primaryKey(),
  /** ID of the future user, the same in every attempt to create it. */
  userId: text("user_id").notNull(),
  username: text("username").notNull(),
  realm: text("realm").notNull(),
  email: text("email").notNull(),
  phone: text("phone").notNull(),
  givenname: text("givenname").notNull(),
  surname: text("surname").notNull(),
  /** PHC string. */
  passwordHash: text("password_hash").notNull(),
  /** Keyed hash of ID and code. */
  codeMac: text("code_mac").notNull(),
  /** Wrong codes so far. */
  attempts: integer("tries").notNull(),
  /** The request that created the user. Empty while the registration is pending. */
  confirmedBy: text("confirmed_by").notNull(),
  expiresAt: integer("expires_at", { mode: "timestamp_ms" }).notNull(),
});
export type PendingRow = typeof pending.$inferSelect;
export type NewPending = Omit<PendingRow, "attempts" | "confirmedBy">;

/** Wrong codes that void a registration. */
const MAX_ATTEMPTS = 5;

/** A code that was sent for a registration. */
interface PendingAttempt {
  readonly id: string;
  /** Keyed hash of ID and code. */
  readonly codeMac: string;
  readonly now: Date;
  /** Whether the limits allow it; if not, nothing happens. */
  readonly isWithin: SQL;
}

/** The statements on pending registrations, for `commit`. */
export interface PendingStore {
  insert(row: NewPending): WriteStatement;
  /** Counts a wrong code. Returns the row if it is still pending, whether the code is right or wrong. */
  attempt(attempt: PendingAttempt): RowsStatement<PendingRow>;
  /** Ends a pending registration and erases its personal data. */
  confirm(id: string, confirmedBy: string): WriteStatement;
  /** Selects a registration that this request confirmed. */
  confirmedBy(id: string, request: string): (read: PluginStore["read"]) => SelectStatement<{ id: string }>;
  /** Violates a constraint, which undoes the whole commit, if the condition holds. */
  rejectIf(condition: SQL): WriteStatement;
  remove(id: string): WriteStatement;
  /** Deletes expired registrations. */
  prune(now: Date): WriteStatement;
}

/** Creates the statements on pending registrations. */
export function createPendingStore({ write }: Pick<PluginStore, "write">): PendingStore {
  return {
    insert(row) {
      return write.insert(pending).values({ ...row, attempts: 0, confirmedBy: "" });
    },

    attempt({ id, codeMac, now, isWithin }) {
      const isPending = and(
        eq(pending.confirmedBy, ""),
        lt(pending.attempts, MAX_ATTEMPTS),
        gt(pending.expiresAt, now),
        // A code must not live longer because the clock was set back.
        lte(pending.expiresAt, new Date(now.getTime() + MAX_VALID_SECONDS * 1_000 + MAX_CLOCK_SKEW_MS)),
      );
      return write
        .update(pending)
        .set({ attempts: sql`${pending.attempts} + (${pending.codeMac} <> ${codeMac})` })
        .where(and(eq(pending.id, id), isPending, isWithin))
        .returning();
    },

    confirm(id, confirmedBy) {
      const erased = { email: "", phone: "", givenname: "", surname: "", passwordHash: "", codeMac: "" };
      return write
        .update(pending)
        .set({ ...erased, confirmedBy })
        .where(and(eq(pending.id, id), eq(pending.confirmedBy, "")));
    },

    confirmedBy: (id, request) => (read) =>
      read
        .select({ id: pending.id })
        .from(pending)
        .where(and(eq(pending.id, id), eq(pending.confirmedBy, request))),

    rejectIf(condition) {
      return write.run(sql`INSERT INTO ${pending} (id) SELECT NULL WHERE ${condition}`);
    },

    remove(id) {
      return write.delete(pending).where(eq(pending.id, id));
    },

    prune(now) {
      return write.delete(pending).where(lt(pending.expiresAt, now));
    },
  };
}
