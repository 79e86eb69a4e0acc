import { and, eq, gt, inArray, lt, lte, or, sql } from "drizzle-orm";
import type { PluginContext } from "sealpost";
import { type ChallengeRow, challenge, type TokenRow, token } from "./tables.ts";

/** Wrong tries of one code; then it is void. */
export const TRIES_OF_CODE = 5;
/** Wrong tries of all codes of a token since one was right; then it is locked until an admin resets it. */
export const MOST_FAILURES = 10;
/** Time between two mails to one token. */
export const RESEND_SECONDS = 30;

/** How far the clocks of machines on one database may differ. */
const CLOCK_SKEW_MS = 60_000;
/** `email.validtime` and `sms.providerTimeout` allow no more. */
const MAX_VALID_MS = 3_600_000;

const NEVER = new Date(0);
/** No token's serial. */
const NOBODY = "";

/** Seconds until a token may get another code; not positive: now. */
export function secondsUntilNext({ sentAt }: TokenRow, now: Date): number {
  const elapsedMs = now.getTime() - sentAt.getTime();
  return elapsedMs < -CLOCK_SKEW_MS ? 0 : Math.ceil(RESEND_SECONDS - elapsedMs / 1_000);
}

export type ChallengeRepository = ReturnType<typeof createChallengeRepository>;

/** Codes that were sent. What writes is an unexecuted statement for `commit`. */
export function createChallengeRepository({ read, write }: PluginContext["store"]) {
  return {
    async find(serial: string): Promise<ChallengeRow | undefined> {
      return read.select().from(challenge).where(eq(challenge.serial, serial)).get();
    },

    /** Starts a transaction; affects no row if the last one has started too lately, or the token is locked. */
    begin(serial: string, transactionId: string, now: Date) {
      const before = new Date(now.getTime() - RESEND_SECONDS * 1_000);
      // A code from before the clock was put back delays no other.
      const isDue = or(lte(token.sentAt, before), gt(token.sentAt, new Date(now.getTime() + CLOCK_SKEW_MS)));
      return write
        .update(token)
        .set({ sentAt: now, transactionId })
        .where(and(eq(token.serial, serial), isDue, lt(token.failCount, MOST_FAILURES)));
    },

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

    /**
     * One try of a code, to be committed together. The first statement returns the token that it was right for, by one
     * conditional UPDATE; of two tries of one code one gets it, as the second statement ends the transaction. The third
     * returns the tokens that it was wrong for (not those that are locked), of whose codes the fourth takes a try.
     */
    attempt(of: readonly TokenRow[], transactionId: string, codeHash: string, now: Date) {
      // Where there is no token, the statements are the same.
      const serials = of.length > 0 ? of.map(({ serial }) => serial) : [NOBODY];
      const isLive = and(
        eq(challenge.transactionId, transactionId),
        inArray(challenge.serial, serials),
        gt(challenge.triesLeft, 0),
        gt(challenge.expiresAt, now),
        // A clock that was put back makes no code live longer.
        lte(challenge.expiresAt, new Date(now.getTime() + MAX_VALID_MS + CLOCK_SKEW_MS)),
      );
      const live = write.select({ serial: challenge.serial }).from(challenge).where(isLive);
      const right = write
        .select({ serial: challenge.serial })
        .from(challenge)
        .where(and(isLive, eq(challenge.codeHash, codeHash)));
      const { serial, failCount } = token;
      return [
        write
          .update(token)
          .set({ failCount: 0, sentAt: NEVER })
          .where(and(inArray(serial, right), lt(failCount, MOST_FAILURES)))
          .returning({ serial }),
        write.delete(challenge).where(and(eq(challenge.transactionId, transactionId), sql`changes() > 0`)),
        write
          .update(token)
          .set({ failCount: sql`${failCount} + 1` })
          .where(and(inArray(serial, live), lt(failCount, MOST_FAILURES)))
          .returning({ serial, failCount }),
        write
          .update(challenge)
          .set({ triesLeft: sql`${challenge.triesLeft} - 1` })
          .where(isLive),
      ] as const;
    },

    prune(now: Date) {
      return write.delete(challenge).where(lt(challenge.expiresAt, now));
    },
  };
}
