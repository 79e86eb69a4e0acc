import { and, count, eq, gte, inArray, type SQL, sql } from "drizzle-orm";
import type { Database, RowsStatement } from "../contracts/database.ts";
import type { MailState } from "../domain/queued-mail.ts";
import { mail } from "./schema.ts";

const HOUR_MS = 3_600_000;
const PENDING: MailState[] = ["queued", "sending", "deferred"];

/** Messages of one state and definition that were submitted in one hour. */
interface HourCount {
  readonly state: MailState;
  readonly identifier: string;
  /** Start of the hour, in UTC. */
  readonly hour: Date;
  readonly count: number;
}

/** Messages of one state and definition that wait or are being sent, whenever they were submitted. */
interface WaitingCount {
  readonly state: MailState;
  readonly identifier: string;
  readonly count: number;
  /** Submission date of the oldest. */
  readonly oldest: Date;
}

/** Messages of a span of time. */
export interface MailStats {
  readonly waiting: readonly WaitingCount[];
  readonly counts: readonly HourCount[];
  /** Messages that wait until the queue is released. */
  readonly held: number;
  /** Time from submission to the end of messages that were sent, in milliseconds; `null` if none was. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
}

/** Returns what waits, and the messages submitted since then, in one round trip. */
export type ReadMailStats = (since: Date) => Promise<MailStats>;

/** @param selectHeld selects how many messages wait until the queue is released. */
export function createReadMailStats(
  { read }: Database,
  selectHeld: RowsStatement<{ readonly held: number }>,
): ReadMailStats {
  // Whole hours: the driver's numbers are integers.
  const hour = sql<number>`${mail.createdAt} / ${sql.raw(String(HOUR_MS))}`;
  const tookMs = sql<number>`${mail.updatedAt} - ${mail.createdAt}`;
  return async (since) => {
    const isSince = gte(mail.createdAt, since);
    const isSent = and(eq(mail.state, "sent"), isSince);
    const sent = read.$with("sent").as(
      read
        .select({ total: count().as("total") })
        .from(mail)
        .where(isSent),
    );
    // The nearest rank: the smallest time that this share of messages did not exceed. Sorting up to one rank takes a
    // quarter of the time of ranking all.
    const rank = (percent: number) =>
      sql`max(0, (${sent.total} * ${sql.raw(String(percent))} + 99) / 100 - 1)`;
    const took = (order: SQL, skipped: SQL) =>
      sql<number | null>`(SELECT ${tookMs} AS ms FROM ${mail} WHERE ${isSent} ORDER BY ms ${order}
        LIMIT 1 OFFSET (SELECT ${skipped} FROM ${sent}))`;
    const p50Ms = took(sql`ASC`, rank(50));
    // Counted from the end, where there are few.
    const p95Ms = took(sql`DESC`, sql`max(0, ${sent.total} - 1 - ${rank(95)})`);
    const oldest = sql<number>`min(${mail.createdAt})`;
    const [waiting, counts, [times], [holding]] = await read.batch([
      read
        .select({ state: mail.state, identifier: mail.identifier, count: count(), oldest })
        .from(mail)
        .where(inArray(mail.state, PENDING))
        .groupBy(mail.state, mail.identifier),
      read
        .select({ state: mail.state, identifier: mail.identifier, hour, count: count() })
        .from(mail)
        .where(isSince)
        .groupBy(mail.state, mail.identifier, hour),
      read.with(sent).select({ p50Ms, p95Ms }).from(sent),
      selectHeld,
    ]);
    return {
      waiting: waiting.map((row) => ({ ...row, oldest: new Date(row.oldest) })),
      counts: counts.map((row) => ({ ...row, hour: new Date(row.hour * HOUR_MS) })),
      held: holding?.held ?? 0,
      p50Ms: times?.p50Ms ?? null,
      p95Ms: times?.p95Ms ?? null,
    };
  };
}
