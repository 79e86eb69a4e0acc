import { type SQL, sql } from "drizzle-orm";
import type { Database, RowsStatement, WriteStatement } from "../contracts/database.ts";
import type { RecipientProgress } from "../domain/queued-mail.ts";
import { mail, serverHealth } from "./schema.ts";

/** The messages of a server queue that wait for their next attempt. All methods return statements for `commit`. */
export interface WaitingMailRepository {
  /** Makes all of them due now. */
  makeDue(queueName: string, now: Date): WriteStatement;
  /** Makes them due if the definition's circuit is open. Commit it before the statement that closes the circuit. */
  makeDueIfOpen(queueName: string, now: Date): WriteStatement;
  /** Selects the ID of one message that is not final. */
  findOne(queueName: string): RowsStatement<{ id: string }>;
}

export function createWaitingMailRepository({ write }: Database): WaitingMailRepository {
  const makeDueWhere = (queueName: string, now: Date, condition: SQL) =>
    write
      .update(mail)
      .set({ dueAt: now.getTime(), recipients: recipientsDueAt(now), updatedAt: now })
      .where(sql`${mail.queueName} = ${queueName} AND ${mail.dueAt} > ${now.getTime()} AND ${mail.lease} IS NULL
        AND ${condition}`);
  return {
    makeDue: (queueName, now) => makeDueWhere(queueName, now, sql`true`),

    makeDueIfOpen: (queueName, now) =>
      makeDueWhere(
        queueName,
        now,
        sql`EXISTS (SELECT 1 FROM ${serverHealth}
          WHERE ${serverHealth.identifier} = ${queueName} AND ${serverHealth.openUntil} IS NOT NULL)`,
      ),

    findOne: (queueName) =>
      write
        .select({ id: mail.id })
        .from(mail)
        .where(sql`${mail.queueName} = ${queueName} AND ${mail.dueAt} IS NOT NULL`)
        .limit(1),
  };
}

/** Makes every waiting recipient of the row due now; the others have no due time. */
function recipientsDueAt(now: Date): SQL<readonly RecipientProgress[]> {
  return sql`(
    SELECT json_group_array(json(
      CASE WHEN one.value ->> 'dueAt' IS NULL THEN one.value
      ELSE json_set(one.value, '$.dueAt', ${now.getTime()}) END))
    FROM json_each(${mail.recipients}) AS one)`;
}
