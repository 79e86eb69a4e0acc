import { and, eq, gt, lt, lte, sql } from "drizzle-orm";
import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { PluginContext, PluginStore, Statement } from "sealpost/plugin";
import type { CodeHash } from "./accounts.ts";
import { MOST_VALID_SECONDS } from "./config.ts";

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
type CodeRow = typeof code.$inferSelect;

const MOST_TRIES = 5;
/** Longer than a request to a plugin may take: a process that dies in between does not use the code up. */
const CLAIM_MS = 60_000;
/** How far the clocks of machines on one database may differ. */
const CLOCK_SKEW_MS = 60_000;
/** A claim that nobody has. */
const UNCLAIMED = { claim: "", claimedUntil: new Date(0) };

const recordOf = (claim: string): string => `set by ${claim}`;

export type Codes = ReturnType<typeof createCodes>;

/**
 * The codes of accounts: one is valid at a time, for five tries and one use. What decides between parallel requests is
 * a single conditional write each.
 */
export function createCodes({ store, time, random }: Pick<PluginContext, "store" | "time" | "random">) {
  const { write } = store;
  return {
    /** Puts a code in the place of the one that the account had. */
    replace(row: Pick<CodeRow, "account" | "decoy" | "beginning" | "code" | "expiresAt">): Statement {
      const fresh = { ...row, ...UNCLAIMED, tries: 0 };
      const target = [code.account, code.decoy];
      return write.insert(code).values(fresh).onConflictDoUpdate({ target, set: fresh });
    },

    /**
     * Counts a try of a code that begins so, and takes hold of it if it is the right one.
     * @returns the claim, or null: it is not, or somebody else is using it, or there were too many tries.
     */
    async claim(account: string, { beginning, whole }: CodeHash): Promise<string | null> {
      const at = time.now();
      const claim = random.id();
      const isFree = sql`(${code.code} = ${whole} AND NOT ${code.decoy} AND ${code.claimedUntil} <= ${at.getTime()})`;
      const [rows] = await store.commit([
        write
          .update(code)
          .set({
            tries: sql`${code.tries} + 1`,
            claim: sql`CASE WHEN ${isFree} THEN ${claim} ELSE ${code.claim} END`,
            claimedUntil: sql`CASE WHEN ${isFree} THEN ${at.getTime() + CLAIM_MS} ELSE ${code.claimedUntil} END`,
          })
          .where(
            and(
              eq(code.account, account),
              eq(code.beginning, beginning),
              lt(code.tries, MOST_TRIES),
              gt(code.expiresAt, at),
              // A clock that was put back lets no code live longer.
              lte(code.expiresAt, new Date(at.getTime() + MOST_VALID_SECONDS * 1_000 + CLOCK_SKEW_MS)),
            ),
          )
          .returning({ claim: code.claim }),
      ]);
      return rows.some((row) => row.claim === claim) ? claim : null;
    },

    /** Uses the code up, and one that was asked for since. */
    spend(account: string): Statement {
      return write.delete(code).where(eq(code.account, account));
    },

    /** Records that a claim has set its password, for a minute: the response of that commit may be lost. */
    record(claim: string): Statement {
      const expiresAt = new Date(time.now().getTime() + CLAIM_MS);
      const row = { account: recordOf(claim), decoy: true, beginning: "", code: "", expiresAt };
      return write.insert(code).values({ ...row, ...UNCLAIMED, tries: 0 });
    },

    /** Selects that record. */
    recordOf: (claim: string) => (database: PluginStore["read"]) =>
      database
        .select({ account: code.account })
        .from(code)
        .where(eq(code.account, recordOf(claim))),

    /** Lets go of a code that came to no use. */
    async release(account: string, claim: string): Promise<void> {
      await store.commit([
        write
          .update(code)
          .set(UNCLAIMED)
          .where(and(eq(code.account, account), eq(code.claim, claim))),
      ]);
    },

    async prune(): Promise<void> {
      await store.commit([write.delete(code).where(lt(code.expiresAt, time.now()))]);
    },
  };
}
