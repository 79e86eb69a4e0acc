import { and, count, eq, gte, sql } from "drizzle-orm";
import type { Database } from "../contracts/database.ts";
import type { MailState } from "../domain/queued-mail.ts";
import { mail } from "./schema.ts";

const HOUR_MS = 3_600_000;

/** Messages of one state and definition that were submitted in one hour. */
interface HourCount {
  readonly state: MailState;
  readonly identifier: string;
  /** Start of the hour, in UTC. */
  readonly hour: Date;
  readonly count: number;
}

/** Messages of a span of time. */
export interface MailStats {
  readonly counts: readonly HourCount[];
  /** Time from submission to the end of messages that were sent, in milliseconds; `null` if none was. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
}

/** Returns the messages submitted since then, in one round trip. */
export type ReadMailStats = (since: Date) => Promise<MailStats>;

export function createReadMailStats({ read }: Database): ReadMailStats {
  // Whole hours: the driver's numbers are integers.
  const hour = sql<number>`${mail.createdAt} / ${sql.raw(String(HOUR_MS))}`;
  const tookMs = sql<number>`${mail.updatedAt} - ${mail.createdAt}`;
  return async (since) => {
    const isSince = gte(mail.createdAt, since);
    const took = read
      .select({
        ms: tookMs.as("ms"),
        rank: sql<number>`row_number() OVER (ORDER BY ${tookMs})`.as("rank"),
        total: sql<number>`count(*) OVER ()`.as("total"),
      })
      .from(mail)
      .where(and(eq(mail.state, "sent"), isSince))
      .as("took");
    // The nearest rank: the smallest time that this share of messages did not exceed.
    const percentile = (percent: number) =>
      sql<
        number | null
      >`min(CASE WHEN ${took.rank} * 100 >= ${took.total} * ${sql.raw(String(percent))} THEN ${took.ms} END)`;
    const [counts, [times]] = await read.batch([
      read
        .select({ state: mail.state, identifier: mail.identifier, hour, count: count() })
        .from(mail)
        .where(isSince)
        .groupBy(mail.state, mail.identifier, hour),
      read.select({ p50Ms: percentile(50), p95Ms: percentile(95) }).from(took),
    ]);
    return {
      counts: counts.map((row) => ({ ...row, hour: new Date(row.hour * HOUR_MS) })),
      p50Ms: times?.p50Ms ?? null,
      p95Ms: times?.p95Ms ?? null,
    };
  };
}
