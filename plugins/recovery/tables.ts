import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** Codes as queries see them; `migrations/*.sql` makes the table. */
export const code = sqliteTable(
  "recovery_code",
  {
    /** Keyed hash of the user's id, or of a name that nobody has. */
    account: text("account").notNull(),
    /** Beside the code of an account there is one that opens nothing, for requests that lead to no mail. */
    decoy: integer("decoy", { mode: "boolean" }).notNull(),
    /** Keyed hash of how it begins: what begins otherwise is no try of it. */
    beginning: text("beginning").notNull(),
    /** Keyed hash of all of it. */
    code: text("code").notNull(),
    tries: integer("tries").notNull(),
    /** Who is about to use the code, and until when that may take. */
    claim: text("claim").notNull(),
    claimedUntil: integer("claimed_until", { mode: "timestamp_ms" }).notNull(),
    expiresAt: integer("expires_at", { mode: "timestamp_ms" }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.account, table.decoy] })],
);
export type CodeRow = typeof code.$inferSelect;
