import { lte, sql } from "drizzle-orm";
import type { Database } from "../contracts/database.ts";
import { mail, mailAttempt } from "./schema.ts";

/** Clocks of several machines differ by less. */
const CLOCK_TOLERANCE_MS = 5_000;

export type MailUpkeepRepository = ReturnType<typeof createMailUpkeepRepository>;

/** What time does to queued mail. What writes is an unexecuted statement for `commit`. */
export function createMailUpkeepRepository({ read, write }: Database) {
  return {
    /**
     * Makes due what a clock jump has put off: messages changed in what is now the future, and leases that are longer
     * than any. A leased message may be on its way, so it gets the time of a new lease.
     */
    recoverFromClockJump(now: Date, leaseEndsAt: Date) {
      const latest = now.getTime() + CLOCK_TOLERANCE_MS;
      const dueAt = sql<number>`CASE WHEN ${mail.lease} IS NULL THEN ${now.getTime()} ELSE ${leaseEndsAt.getTime()} END`;
      const isPutOff = sql`${mail.updatedAt} > ${latest}
        OR (${mail.lease} IS NOT NULL AND ${mail.dueAt} > ${leaseEndsAt.getTime()})`;
      return write
        .update(mail)
        .set({ dueAt, updatedAt: now })
        .where(sql`${mail.dueAt} IS NOT NULL AND (${isPutOff})`);
    },

    /** Whether content is kept whose time is over. */
    async hasContentToErase(now: Date): Promise<boolean> {
      const isOver = lte(mail.contentUntil, now);
      return (await read.select({ id: mail.id }).from(mail).where(isOver).limit(1)).length > 0;
    },

    /** Erases the content that was kept until now; a trigger deletes it. */
    eraseContent(now: Date) {
      return write.update(mail).set({ contentUntil: null }).where(lte(mail.contentUntil, now));
    },

    /** Deletes messages that became final before then, with their attempts; one that may still be retried stays. */
    prune(before: Date) {
      const old = sql`due_at IS NULL AND content_until IS NULL AND updated_at < ${before.getTime()}`;
      return [
        write.delete(mailAttempt).where(sql`${mailAttempt.mailId} IN (SELECT id FROM mail WHERE ${old})`),
        write.delete(mail).where(old),
      ] as const;
    },
  };
}
