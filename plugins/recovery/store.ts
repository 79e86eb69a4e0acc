import { and, eq, gt, lt, lte, ne, sql } from "drizzle-orm";
import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import {
  MAX_CLOCK_SKEW_MS,
  type PluginStore,
  type RowsStatement,
  type SelectStatement,
  type WriteStatement,
} from "sealpost/plugin";
import type { CodeHash } from "./accounts.ts";
import { MAX_VALID_SECONDS } from "./config.ts";

/** Codes as queries see them; `migrations/*.sql` creates the table. */
export const code = sqliteTable(
  "recovery_code",
  {
    /** Keyed hash of the user's ID, or of a name without a user. */
    account: text("account").notNull(),
    /** A decoy is never valid. Requests that send no message write it in a row next to the real code. */
    decoy: integer("decoy", { mode: "boolean" }).notNull(),
    /** Keyed hash of the first characters; inputs that start differently do not count as attempts. */
    beginning: text("beginning").notNull(),
    /** Keyed hash of the whole code. */
    code: text("code").notNull(),
    attempts: integer("tries").notNull(),
    /** The request that is using the code, and when its claim ends. */
    claim: text("claim").notNull(),
    claimedUntil: integer("claimed_until", { mode: "timestamp_ms" }).notNull(),
    expiresAt: integer("expires_at", { mode: "timestamp_ms" }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.account, table.decoy] })],
);
type CodeRow = typeof code.$inferSelect;
/** The request that is using a code. */
export type Claim = Pick<CodeRow, "claim">;
type NewCode = Pick<CodeRow, "account" | "decoy" | "beginning" | "code" | "expiresAt">;

const MAX_ATTEMPTS = 5;
/** Longer than a request to a plugin may take. If its process dies, the code can be used again. */
const CLAIM_MS = 60_000;
const UNCLAIMED = { claim: "", claimedUntil: new Date(0) };

/** Account column of the row that records that a claim has set its password. */
const recordedBy = (claim: string): string => `set by ${claim}`;

/**
 * The statements on codes, for `commit`. An account has one valid code, for five attempts and one use. A single conditional
 * write decides between parallel requests.
 */
export interface CodeStore {
  /** Replaces the code of an account. */
  replace(row: NewCode): WriteStatement;
  /**
   * Counts an attempt and claims the code if it is right. Returns the claim: another one if the code is wrong or another
   * request is using it, and no row after too many attempts.
   */
  claim(account: string, code: CodeHash, claim: string, now: Date): RowsStatement<Claim>;
  /** Selects the code that a request has claimed. */
  claimOf(account: string, claim: string): RowsStatement<Claim>;
  /** Deletes the code, and any newer one. */
  spend(account: string): WriteStatement;
  /** Records for a minute that a claim has set its password, because the response of that commit may be lost. */
  record(claim: string, now: Date): WriteStatement;
  /** Selects that record. */
  recordOf(claim: string): (read: PluginStore["read"]) => SelectStatement<{ account: string }>;
  /** Releases a claimed code that was not used. */
  release(account: string, claim: string): WriteStatement;
  /** Releases every claimed code. */
  abandonClaims(): readonly WriteStatement[];
  /** Deletes expired codes. */
  prune(now: Date): WriteStatement;
}

/** Creates the statements on codes. */
export function createCodeStore({ write }: Pick<PluginStore, "write">): CodeStore {
  return {
    replace(row) {
      const fresh = { ...row, ...UNCLAIMED, attempts: 0 };
      const target = [code.account, code.decoy];
      return write.insert(code).values(fresh).onConflictDoUpdate({ target, set: fresh });
    },

    claim(account, { beginning, whole }, claim, now) {
      const nowMs = now.getTime();
      // A claim must not last longer because the clock was set back.
      const isClaimed = sql`${code.claimedUntil} > ${nowMs} AND ${code.claimedUntil} <= ${nowMs + CLAIM_MS + MAX_CLOCK_SKEW_MS}`;
      const isFree = sql`(${code.code} = ${whole} AND NOT ${code.decoy} AND NOT (${isClaimed}))`;
      return write
        .update(code)
        .set({
          attempts: sql`${code.attempts} + 1`,
          claim: sql`CASE WHEN ${isFree} THEN ${claim} ELSE ${code.claim} END`,
          claimedUntil: sql`CASE WHEN ${isFree} THEN ${nowMs + CLAIM_MS} ELSE ${code.claimedUntil} END`,
        })
        .where(
          and(
            eq(code.account, account),
            eq(code.beginning, beginning),
            lt(code.attempts, MAX_ATTEMPTS),
            gt(code.expiresAt, now),
            // A code must not live longer because the clock was set back.
            lte(code.expiresAt, new Date(nowMs + MAX_VALID_SECONDS * 1_000 + MAX_CLOCK_SKEW_MS)),
          ),
        )
        .returning({ claim: code.claim });
    },

    claimOf(account, claim) {
      const isClaimed = and(eq(code.account, account), eq(code.claim, claim));
      return write.select({ claim: code.claim }).from(code).where(isClaimed);
    },

    spend(account) {
      return write.delete(code).where(eq(code.account, account));
    },

    record(claim, now) {
      const expiresAt = new Date(now.getTime() + CLAIM_MS);
      const row = { account: recordedBy(claim), decoy: true, beginning: "", code: "", expiresAt };
      return write.insert(code).values({ ...row, ...UNCLAIMED, attempts: 0 });
    },

    recordOf: (claim) => (read) =>
      read
        .select({ account: code.account })
        .from(code)
        .where(eq(code.account, recordedBy(claim))),

    release(account, claim) {
      return write
        .update(code)
        .set(UNCLAIMED)
        .where(and(eq(code.account, account), eq(code.claim, claim)));
    },

    abandonClaims: () => [write.update(code).set(UNCLAIMED).where(ne(code.claim, UNCLAIMED.claim))],

    prune(now) {
      return write.delete(code).where(lt(code.expiresAt, now));
    },
  };
}
