import * as v from "valibot";
import type { Platform } from "../contracts/platform.ts";
import { MAIL_STATES } from "../domain/queued-mail.ts";
import type { MailStats, ReadMailStats } from "../mail/queue/manage.ts";
import { described } from "../wire/schemas.ts";

const SPAN_MS = 24 * 3_600_000;
const byState = v.record(v.string(), v.number());
const ms = v.nullable(v.number());

/** `GET /mail/stats`. */
export const mailStatsView = v.object({
  since: described(v.string(), "ISO 8601, UTC"),
  total: v.number(),
  states: described(byState, "Messages by state"),
  servers: described(v.record(v.string(), byState), "The same for each definition"),
  hours: described(v.record(v.string(), byState), "The same for each hour of submission, by its start"),
  waiting: described(
    v.array(
      v.object({
        identifier: v.string(),
        state: v.picklist(MAIL_STATES),
        count: v.number(),
        oldest: v.string(),
      }),
    ),
    "Messages that wait or are being sent, whenever they were submitted, with the time of the oldest",
  ),
  held: described(
    v.number(),
    "Messages that wait until `POST /mail/release`, such as those of a restored instance, and webhooks of one",
  ),
  delivery_ms: described(
    v.object({ p50: ms, p95: ms }),
    "Time from submission until a message was sent: half of them, and 95 of 100, took no longer. `null` if none was sent",
  ),
});

/** Returns the statistics of the last 24 hours. */
export async function readStats(
  readMailStats: ReadMailStats,
  platform: Pick<Platform, "now">,
): Promise<v.InferOutput<typeof mailStatsView>> {
  const since = new Date(platform.now().getTime() - SPAN_MS);
  const { waiting, counts, held, p50Ms, p95Ms } = await readMailStats(since);
  return {
    since: since.toISOString(),
    total: counts.reduce((sum, one) => sum + one.count, 0),
    states: sumByState(counts),
    servers: grouped(counts, ({ identifier }) => identifier),
    hours: grouped(counts, ({ hour }) => hour.toISOString()),
    waiting: waiting.map((one) => ({ ...one, oldest: one.oldest.toISOString() })),
    held,
    delivery_ms: { p50: p50Ms, p95: p95Ms },
  };
}

type Counts = MailStats["counts"];

function grouped(counts: Counts, keyOf: (one: Counts[number]) => string) {
  const keys = [...new Set(counts.map(keyOf))].toSorted();
  return Object.fromEntries(keys.map((key) => [key, sumByState(counts.filter((one) => keyOf(one) === key))]));
}

function sumByState(counts: Counts): Record<string, number> {
  const sums = new Map<string, number>();
  for (const { state, count } of counts) sums.set(state, (sums.get(state) ?? 0) + count);
  return Object.fromEntries(sums);
}
