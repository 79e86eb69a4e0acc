import { and, count, gt, inArray, isNotNull, lt, max, min, sql } from "drizzle-orm";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import type { Database } from "../contracts/database.ts";
import { HOLD_MS } from "../domain/queued-mail.ts";
import { selectHeld } from "./queued-mail.ts";
import { audit, mail } from "./schema.ts";

/** The state of the database and of the queue, as the doctor checks it. */
interface Diagnosis {
  /** The clock of the database server, to the second. */
  readonly databaseClock: Date;
  /** Date of the latest audit row; `null` without rows. */
  readonly latestRow: Date | null;
  /** When the message that has waited longest was due; `null` if none waits. */
  readonly oldestDue: Date | null;
  /** Failed messages that can still be retried, with those that an earlier attempt may have sent. */
  readonly retryable: number;
  /** Messages that wait until the queue is released. */
  readonly held: number;
}

/** Returns the diagnosis, in one round trip. */
export type Diagnose = (now: Date) => Promise<Diagnosis>;

/** @param dueTimes columns with due times of the work of plugins. */
export function createDiagnose(database: Database, dueTimes: readonly SQLiteColumn[]): Diagnose {
  const { read } = database;
  const seconds = sql<number>`CAST(strftime('%s', 'now') AS INTEGER)`;
  return async (now) => {
    const isFailed = inArray(mail.state, ["failed", "unknown"]);
    const canRetry = and(isFailed, isNotNull(mail.contentUntil), gt(mail.contentUntil, now));
    const [[latest], [due], [failed], [waiting]] = await read.batch([
      read.select({ row: max(audit.date), seconds }).from(audit),
      read
        .select({ oldest: min(mail.dueAt) })
        .from(mail)
        .where(lt(mail.dueAt, HOLD_MS)),
      read.select({ count: count() }).from(mail).where(canRetry),
      selectHeld(dueTimes),
    ]);
    return {
      databaseClock: new Date((latest?.seconds ?? 0) * 1000),
      latestRow: latest?.row ?? null,
      oldestDue: due?.oldest == null ? null : new Date(due.oldest),
      retryable: failed?.count ?? 0,
      held: waiting?.held ?? 0,
    };
  };
}
