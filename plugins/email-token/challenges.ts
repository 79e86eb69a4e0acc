import { and, eq, gt, lt, lte, or, type SQL, sql } from "drizzle-orm";
import type { PluginContext } from "sealpost";
import { type ChallengeRow, challenge, type TokenRow, token } from "./tables.ts";

/** Wrong tries of one code; then it is void. */
export const TRIES_OF_CODE = 5;
/** Wrong tries of all codes of a token since one was right; then it is locked until an admin resets it. */
export const MOST_FAILURES = 10;
/** Time between two mails to one token. */
export const RESEND_SECONDS = 30;

/** How far the clocks of machines on one database may differ. */
export const CLOCK_SKEW_MS = 60_000;
/** `email.validtime` and `sms.providerTimeout` allow no more. */
export const MAX_VALID_MS = 3_600_000;

/** Seconds until a token may get another code; not positive: now. */
export function secondsUntilNext({ sentAt }: TokenRow, now: Date): number {
  const elapsedMs = now.getTime() - sentAt.getTime();
  return elapsedMs < -CLOCK_SKEW_MS ? 0 : Math.ceil(RESEND_SECONDS - elapsedMs / 1_000);
}

export type ChallengeRepository = ReturnType<typeof createChallengeRepository>;

/** Codes that were sent. What writes is an unexecuted statement for `commit`. */
export function createChallengeRepository({ read, write }: PluginContext["store"]) {
  const find = read
    .select()
    .from(challenge)
    .where(eq(challenge.serial, sql.placeholder("serial")))
    .prepare();
  return {
    find: async (serial: string): Promise<ChallengeRow | undefined> => find.get({ serial }),

    /** Starts a transaction; affects no row if the last one has started too lately, the token is locked, or `where` fails. */
    begin(serial: string, transactionId: string, now: Date, where: SQL) {
      const before = new Date(now.getTime() - RESEND_SECONDS * 1_000);
      // A code from before the clock was put back delays no other.
      const isDue = or(lte(token.sentAt, before), gt(token.sentAt, new Date(now.getTime() + CLOCK_SKEW_MS)));
      return write
        .update(token)
        .set({ sentAt: now, transactionId })
        .where(and(eq(token.serial, serial), isDue, lt(token.failCount, MOST_FAILURES), where));
    },

    /** Whether a transaction is the token's, as an expression. */
    isOf: (serial: string, transactionId: string): SQL =>
      sql`EXISTS (SELECT 1 FROM ${token}
        WHERE ${token.serial} = ${serial} AND ${token.transactionId} = ${transactionId})`,

    /** The new code voids the old. Affects no row if the token has begun another transaction since, or is gone. */
    issue(row: ChallengeRow) {
      return write.run(sql`
        INSERT INTO email_token_challenge (serial, transaction_id, code_hash, tries_left, expires_at)
        SELECT ${row.serial}, ${row.transactionId}, ${row.codeHash}, ${row.triesLeft},
          ${sql.param(row.expiresAt, challenge.expiresAt)}
        FROM ${token} WHERE ${token.serial} = ${row.serial} AND ${token.transactionId} = ${row.transactionId}
        ON CONFLICT (serial) DO UPDATE SET transaction_id = excluded.transaction_id,
          code_hash = excluded.code_hash, tries_left = excluded.tries_left, expires_at = excluded.expires_at`);
    },

    /** As if the transaction had never begun. @param before the token as it was then. */
    withdraw({ serial, sentAt, transactionId: last }: TokenRow, transactionId: string) {
      return [
        write
          .delete(challenge)
          .where(and(eq(challenge.serial, serial), eq(challenge.transactionId, transactionId))),
        write
          .update(token)
          .set({ sentAt, transactionId: last })
          .where(and(eq(token.serial, serial), eq(token.transactionId, transactionId))),
      ] as const;
    },

    prune(now: Date) {
      return write.delete(challenge).where(lt(challenge.expiresAt, now));
    },
  };
}
