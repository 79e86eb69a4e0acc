import { eq, isNotNull, sql } from "drizzle-orm";
import type { Database, WriteStatement } from "../../contracts/database.ts";
import { HOLD_MS } from "../../domain/queued-mail.ts";
import { prepareStatement, STATEMENTS } from "../drizzle.ts";
import { RESERVED } from "../idempotency.ts";
import { createOutboxRepository } from "../outbox.ts";
import type { QueueSummary } from "../outbox-statements.ts";
import { attemptSlot, idempotency, oauthToken } from "../schema.ts";

/** Queued mail as the alarm of an object needs it. The object is the only worker of its database. */
interface QueueClock {
  /** Whether the object left anything for {@link abandonLeases} when it ended. Most have not, and one read shows that. */
  hasLeases(): Promise<boolean>;
  /**
   * Makes due what the object was sending when it ended, in a commit before it sends anything. The messages and probes stay
   * leased, so that the next claim treats them as those of a worker that has died. Frees what its requests had reserved,
   * and its requests for access tokens: none of them has a response.
   */
  abandonLeases(now: Date): readonly WriteStatement[];
  /**
   * Returns when mail may be sent next, or has to end, in milliseconds since the Unix epoch. Infinite if none waits.
   * @param now the same.
   */
  nextAt(now: number): Promise<number>;
}

/** While the object sends, an alarm is near, because the object may end at any time. */
export const WHILE_SENDING_MS = 2_000;
const selectLeases = prepareStatement(() =>
  STATEMENTS.all<{ readonly found: number }>(sql`SELECT
    EXISTS (SELECT 1 FROM mail WHERE state = 'sending' AND due_at < ${HOLD_MS})
    OR EXISTS (SELECT 1 FROM server_health WHERE probe IS NOT NULL)
    OR EXISTS (SELECT 1 FROM ${attemptSlot})
    OR EXISTS (SELECT 1 FROM ${oauthToken} WHERE ${isNotNull(oauthToken.lease)})
    OR EXISTS (SELECT 1 FROM ${idempotency} WHERE ${eq(idempotency.answer, RESERVED)}) AS found`),
);
/** Mail that is due but was not sent, for a reason that has no known end. */
const BLOCKED_MS = 1_000;
const MINUTE_MS = 60_000;

/** Returns a pattern of statements that change when queued mail, which a circuit may hold up, or work of these plugins is due. */
export function changesOf(plugins: readonly string[]): RegExp {
  const tables = ["mail", "server_health", ...plugins.map((name) => `${name.replaceAll("-", "_")}_\\w+`)];
  // Plugins write their own SQL: INSERT OR IGNORE INTO, REPLACE INTO, UPDATE OR IGNORE, and any of them after WITH.
  const verbs = "into|update(?:\\s+or\\s+\\w+)?|delete\\s+from";
  return new RegExp(`\\b(?:${verbs})\\s+"?(?:${tables.join("|")})\\b`, "i");
}

export function createQueueClock(database: Database): QueueClock {
  const { read, write } = database;
  const { listQueues } = createOutboxRepository(database);

  /** Returns when the rate limit allows another message; now if it does. */
  async function rateFreesAt({ queueName, mailsPerMinute }: QueueSummary, now: number): Promise<number> {
    if (!mailsPerMinute) return now;
    const [oldest] = await read.all<{ readonly date: number }>(sql`
      SELECT date FROM mail_attempt WHERE identifier = ${queueName} AND date > ${now - MINUTE_MS} AND date <= ${now}
      ORDER BY date DESC LIMIT 1 OFFSET ${mailsPerMinute - 1}`);
    return oldest === undefined ? now : oldest.date + MINUTE_MS;
  }

  async function nextInQueue(queue: QueueSummary, now: number): Promise<number> {
    // An alarm at this time may find another definition, even if the circuit of this one is open.
    if (queue.dueAt > now) return queue.dueAt;
    const freeAt = Math.max(queue.openUntil ?? now, await rateFreesAt(queue, now));
    return freeAt > now ? freeAt : now + BLOCKED_MS;
  }

  return {
    async hasLeases() {
      const [[row]] = await read.batch([selectLeases()]);
      return row?.found !== 0;
    },

    abandonLeases(now) {
      const at = now.getTime();
      return [
        write.run(
          sql`UPDATE mail SET due_at = ${at}, updated_at = ${at}
            WHERE state = 'sending' AND due_at > ${at} AND due_at < ${HOLD_MS}`,
        ),
        write.run(sql`UPDATE server_health SET open_until = ${at}, probe = NULL WHERE probe IS NOT NULL`),
        write.delete(attemptSlot),
        write.update(oauthToken).set({ lease: null, leaseEndsAt: null }).where(isNotNull(oauthToken.lease)),
        write.delete(idempotency).where(eq(idempotency.answer, RESERVED)),
      ];
    },

    async nextAt(now) {
      const [found, queues] = await Promise.all([
        read.get<{ readonly sending: number | null; readonly endsAt: number | null }>(sql`SELECT
          (SELECT 1 FROM mail WHERE state = 'sending' AND due_at < ${HOLD_MS} LIMIT 1) AS sending,
          (SELECT give_up_at FROM mail WHERE due_at < ${HOLD_MS} ORDER BY give_up_at LIMIT 1) AS endsAt`),
        listQueues(),
      ]);
      const times = await Promise.all(queues.map((queue) => nextInQueue(queue, now)));
      const sendingAt = found.sending === null ? Number.POSITIVE_INFINITY : now + WHILE_SENDING_MS;
      const endsAt =
        found.endsAt === null ? Number.POSITIVE_INFINITY : Math.max(found.endsAt, now + BLOCKED_MS);
      return Math.min(sendingAt, endsAt, ...times);
    },
  };
}
