import { and, eq, gt, lt, lte, type SQL, sql } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import {
  addressKey,
  MAX_CLOCK_SKEW_MS,
  type PluginStore,
  type RowsStatement,
  type SelectStatement,
  type WriteStatement,
} from "sealpost/plugin";
import { MAX_VALID_SECONDS } from "./config.ts";

/** New addresses that wait for their code, one for each user. `migrations/*.sql` creates the table. */
export const emailChange = sqliteTable("directory_email_change", {
  userId: text("user_id").primaryKey(),
  email: text("email").notNull(),
  emailKey: text("email_key").notNull(),
  /** The certificate that waits with the address. `null` if the stored one stays. */
  certificate: text("certificate"),
  /** Keyed hash of user and code. */
  codeMac: text("code_mac").notNull(),
  /** Wrong codes so far. */
  attempts: integer("tries").notNull(),
  /** The request that confirmed the address. Empty while it waits. */
  confirmedBy: text("confirmed_by").notNull(),
  expiresAt: integer("expires_at", { mode: "timestamp_ms" }).notNull(),
});
type EmailChangeRow = typeof emailChange.$inferSelect;

/** Wrong codes that void a code. */
const MAX_ATTEMPTS = 5;

/** A code that a request gives for the address of a user. */
interface Attempt {
  readonly userId: string;
  readonly codeMac: string;
  /** The address that the code is given for; `null` for the one that waits. */
  readonly email: string | null;
  /** ID of the request. */
  readonly request: string;
  readonly now: Date;
}

/** The statements on new addresses, for `commit`. */
export interface EmailChangeStore {
  /** Replaces the address that waits. */
  hold(row: Omit<EmailChangeRow, "attempts" | "confirmedBy" | "emailKey">): WriteStatement;
  /** Counts a wrong code, and records the request that has the right one. Affects no row if no address waits. */
  attempt(attempt: Attempt): WriteStatement;
  /** Selects the address that this request confirmed. */
  confirmedBy(request: string): (read: PluginStore["read"]) => SelectStatement<EmailChangeRow>;
  /** Deletes the address that waits. @param userId the ID, or an expression for it. */
  discard(userId: string | SQL): WriteStatement;
  /** Selects the address that waits. */
  waiting(userId: string): RowsStatement<EmailChangeRow>;
  /** Restores what `hold` replaced, unless a newer one has replaced it. @param before `undefined` if none waited. */
  withdraw(
    row: Pick<EmailChangeRow, "userId" | "codeMac">,
    before: EmailChangeRow | undefined,
  ): WriteStatement;
  /** Deletes expired ones. */
  prune(now: Date): WriteStatement;
}

/** Creates the statements on new addresses. */
export function createEmailChangeStore({ write }: Pick<PluginStore, "write">): EmailChangeStore {
  const { userId, codeMac, emailKey, attempts, confirmedBy, expiresAt } = emailChange;
  return {
    hold(row) {
      const fresh = { ...row, emailKey: addressKey(row.email), attempts: 0, confirmedBy: "" };
      return write.insert(emailChange).values(fresh).onConflictDoUpdate({ target: userId, set: fresh });
    },

    attempt({ userId: id, codeMac: given, email, request, now }) {
      const isWaiting = and(
        eq(userId, id),
        eq(confirmedBy, ""),
        lt(attempts, MAX_ATTEMPTS),
        gt(expiresAt, now),
        // A code must not live longer because the clock was set back.
        lte(expiresAt, new Date(now.getTime() + MAX_VALID_SECONDS * 1_000 + MAX_CLOCK_SKEW_MS)),
        email === null ? undefined : eq(emailKey, addressKey(email)),
      );
      const isRight = sql`${codeMac} = ${given}`;
      return write
        .update(emailChange)
        .set({
          attempts: sql`${attempts} + NOT (${isRight})`,
          confirmedBy: sql`CASE WHEN ${isRight} THEN ${request} ELSE '' END`,
        })
        .where(isWaiting);
    },

    confirmedBy: (request) => (read) => read.select().from(emailChange).where(eq(confirmedBy, request)),

    discard: (id) => write.delete(emailChange).where(sql`${userId} = ${id}`),

    waiting: (id) => write.select().from(emailChange).where(eq(userId, id)),

    withdraw(row, before) {
      const isSame = and(eq(userId, row.userId), eq(codeMac, row.codeMac));
      return before
        ? write.update(emailChange).set(before).where(isSame)
        : write.delete(emailChange).where(isSame);
    },

    prune: (now) => write.delete(emailChange).where(lt(expiresAt, now)),
  };
}
