import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../contracts/database.ts";
import type { RecipientProgress } from "../domain/queued-mail.ts";
import { mail, serverHealth } from "./schema.ts";

export type WaitingMailRepository = ReturnType<typeof createWaitingMailRepository>;

/** The messages of a definition that wait for their next attempt. Each method returns a statement for `commit`. */
export function createWaitingMailRepository({ write }: Database) {
  const makeDue = (queueName: string, now: Date, condition: SQL) =>
    write
      .update(mail)
      .set({ dueAt: now.getTime(), recipients: recipientsDueAt(now), updatedAt: now })
      .where(sql`${mail.queueName} = ${queueName} AND ${mail.dueAt} > ${now.getTime()} AND ${mail.lease} IS NULL
        AND ${condition}`);
  return {
    /** Makes all of them due now. */
    makeDue: (queueName: string, now: Date) => makeDue(queueName, now, sql`true`),

    /** The same, if the definition's circuit is open; to be committed before the statement that closes it. */
    makeDueIfOpen: (queueName: string, now: Date) =>
      makeDue(
        queueName,
        now,
        sql`EXISTS (SELECT 1 FROM ${serverHealth}
          WHERE ${serverHealth.identifier} = ${queueName} AND ${serverHealth.openUntil} IS NOT NULL)`,
      ),

    /** Selects the id of one message that is not final yet. */
    findOne: (queueName: string) =>
      write
        .select({ id: mail.id })
        .from(mail)
        .where(sql`${mail.queueName} = ${queueName} AND ${mail.dueAt} IS NOT NULL`)
        .limit(1),
  };
}

/** The recipients of the row, of which each that waits is due now; the others have no time. */
function recipientsDueAt(now: Date): SQL<readonly RecipientProgress[]> {
  return sql`(
    SELECT json_group_array(json(
      CASE WHEN one.value ->> 'dueAt' IS NULL THEN one.value
      ELSE json_set(one.value, '$.dueAt', ${now.getTime()}) END))
    FROM json_each(${mail.recipients}) AS one)`;
}
