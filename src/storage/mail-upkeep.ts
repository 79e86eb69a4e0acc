import { lte, sql } from "drizzle-orm";
import type { Database, WriteStatement } from "../contracts/database.ts";
import { CLOCK_TOLERANCE_MS } from "../domain/clock.ts";
import { HOLD_MS } from "../domain/queued-mail.ts";
import { mail, mailAttempt } from "./schema.ts";
import { isInSlice } from "./slices.ts";

/** Time-based changes of queued mail. Writes are unexecuted statements for `commit`. */
export interface MailUpkeepRepository {
  /**
   * Makes messages due that a clock jump has delayed: messages changed in what is now the future, and leases longer than
   * any. A leased message may be in flight, so it gets the time of a new lease. One that is to be sent later keeps its time.
   */
  recoverFromClockJump(now: Date, leaseEndsAt: Date): WriteStatement;
  /** Whether content exists past the time it is kept for. */
  hasContentToErase(now: Date): Promise<boolean>;
  /** Erases the content of a slice of the messages that kept it until now; a trigger deletes it. */
  eraseContent(now: Date): WriteStatement;
  /** Deletes a slice of the messages that became final before this time, with their attempts. Those that can be retried stay. */
  prune(before: Date): readonly [attempts: WriteStatement, messages: WriteStatement];
}

export function createMailUpkeepRepository({ read, write }: Database): MailUpkeepRepository {
  return {
    recoverFromClockJump(now, leaseEndsAt) {
      const latest = now.getTime() + CLOCK_TOLERANCE_MS;
      // A retry starts when it is made, so a start that its row's last change does not follow is one by `sendAt`.
      const startsAt = sql`(SELECT max(${now.getTime()}, coalesce(min(one.value ->> 'startsAt'), 0))
        FROM json_each(${mail.recipients}) AS one WHERE one.value ->> 'startsAt' > ${mail.updatedAt})`;
      const dueAt = sql<number>`CASE WHEN ${mail.lease} IS NULL THEN ${startsAt} ELSE ${leaseEndsAt.getTime()} END`;
      const isDelayed = sql`${mail.updatedAt} > ${latest}
        OR (${mail.lease} IS NOT NULL AND ${mail.dueAt} > ${leaseEndsAt.getTime()})`;
      return write
        .update(mail)
        .set({ dueAt, updatedAt: now })
        .where(sql`${mail.dueAt} < ${HOLD_MS} AND (${isDelayed})`);
    },

    async hasContentToErase(now) {
      const isOver = lte(mail.contentUntil, now);
      return (await read.select({ id: mail.id }).from(mail).where(isOver).limit(1)).length > 0;
    },

    eraseContent: (now) =>
      write
        .update(mail)
        .set({ contentUntil: null })
        .where(isInSlice(mail, lte(mail.contentUntil, now))),

    prune(before) {
      const isOld = isInSlice(
        mail,
        sql`due_at IS NULL AND content_until IS NULL AND updated_at < ${before.getTime()}`,
      );
      return [
        write.delete(mailAttempt).where(sql`${mailAttempt.mailId} IN (SELECT id FROM mail WHERE ${isOld})`),
        write.delete(mail).where(isOld),
      ];
    },
  };
}
