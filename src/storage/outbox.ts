import { eq, getTableColumns, type SQL, sql } from "drizzle-orm";
import type { MailAttempt, MailState, RecipientProgress } from "../domain/queued-mail.ts";
import type { Database } from "./database.ts";
import { mail, mailContent } from "./schema.ts";

/** A queued mail as it is stored. */
export type MailRow = typeof mail.$inferSelect & {
  /** The first piece of the content, sealed; empty: it is large, and read when its turn comes. */
  readonly content: string;
  /** Further pieces of the content, of a row that is inserted. */
  readonly furtherContent?: readonly string[];
};
export type OutboxRepository = ReturnType<typeof createOutboxRepository>;

/** A definition with mail that waits for it, and what limits the sending. */
export interface Lane {
  /** Name of the definition; empty: definitions that are not saved. */
  readonly lane: string;
  /** When its next mail is due, or its next lease ends, in milliseconds since the epoch. */
  readonly dueAt: number;
  readonly maxConnections: number | null;
  /** 0: no limit. */
  readonly mailsPerMinute: number | null;
  /** Milliseconds since the epoch; null: the circuit is closed. */
  readonly openUntil: number | null;
  /** Failures in a row. */
  readonly failures: number | null;
}

export interface Claim {
  readonly lane: string;
  /** The worker's mark: no two claims have the same. */
  readonly lease: string;
  readonly leaseEndsAt: Date;
  readonly now: Date;
  /** Leases that ended after this are left to their workers; `now`, or earlier where a stall may have kept them. */
  readonly expiredBefore: Date;
  readonly limit: number;
  /** 0: no limit. */
  readonly mailsPerMinute: number;
}

/** A mail that a worker holds. */
export interface Held {
  readonly id: string;
  readonly lease: string;
}

/** What a worker has found out about a mail that it holds. */
export interface Settlement extends Held {
  readonly state: MailState;
  readonly identifier: string;
  readonly lane: string;
  /** Names of all definitions that it may still go through; empty: just the one. */
  readonly alternatives: readonly string[];
  readonly recipients: readonly RecipientProgress[];
  /** Milliseconds since the epoch; null: the mail has ended. */
  readonly dueAt: number | null;
  /** Until when the content of a message in its final state is kept, in milliseconds since the epoch; `null`: erased. */
  readonly contentUntil: number | null;
  /** Whether the worker lets go of the mail. */
  readonly released: boolean;
  readonly attempts: readonly Omit<MailAttempt, "mailId">[];
}

const MINUTE_MS = 60_000;
/** So many of the oldest are looked at for a way around a server that is down. */
const MOST_LOOKED_AT = 1_000;

/** One text instead of twenty cells, each of which costs the driver microseconds. */
const ROW = sql<string>`json_object(${sql.join(
  Object.entries(getTableColumns(mail)).flatMap(([name, column]) => [sql.raw(`'${name}'`), sql`${column}`]),
  sql`, `,
)})`;
/** A claim brings the content of so many characters along; hundreds of large ones would fill the memory. */
const MAX_CLAIMED_CONTENT = 65_536;
const CONTENT = sql<string | null>`(SELECT mail_content.content FROM mail_content
  WHERE mail_content.id = mail.id AND length(mail_content.content) <= ${sql.raw(String(MAX_CLAIMED_CONTENT))})`;

/** The row of a piece of a message's content. */
export function pieceName(mailId: string, piece: number): string {
  return piece === 0 ? mailId : `${mailId}/${piece}`;
}

/** The outbox. What writes is an unexecuted statement for `commit`. */
export function createOutboxRepository({ read, write }: Database) {
  return {
    insert(row: MailRow) {
      const pieces = [row.content, ...(row.furtherContent ?? [])].map((content, piece) => ({
        ...{ id: pieceName(row.id, piece), mailId: row.id, piece, content },
      }));
      // A commit whose answer is lost may be made again.
      return [
        write.insert(mail).values(row).onConflictDoNothing(),
        ...pieces.map((piece) => write.insert(mailContent).values(piece).onConflictDoNothing()),
      ] as const;
    },

    /** Returns one piece of a message's content, sealed; `undefined` if there is none. */
    async readPiece(name: string): Promise<string | undefined> {
      const { content } = mailContent;
      return (await read.select({ content }).from(mailContent).where(eq(mailContent.id, name)).get())
        ?.content;
    },

    /** The lanes with mail in them; reads one entry of the index for each, however much is waiting. */
    async lanes(): Promise<Lane[]> {
      return read.all<Lane>(sql`
        WITH RECURSIVE lanes (lane) AS (
          SELECT min(lane) FROM mail WHERE due_at IS NOT NULL
          UNION ALL
          SELECT (SELECT min(mail.lane) FROM mail WHERE mail.lane > lanes.lane AND mail.due_at IS NOT NULL)
          FROM lanes WHERE lanes.lane IS NOT NULL
        )
        SELECT lanes.lane AS lane,
          (SELECT min(due_at) FROM mail WHERE mail.lane = lanes.lane AND due_at IS NOT NULL) AS dueAt,
          smtp_server.max_connections AS maxConnections,
          smtp_server.mails_per_minute AS mailsPerMinute,
          server_health.open_until AS openUntil,
          server_health.failures AS failures
        FROM lanes
        LEFT JOIN smtp_server ON smtp_server.identifier = lanes.lane
        LEFT JOIN server_health ON server_health.identifier = lanes.lane
        WHERE lanes.lane IS NOT NULL`);
    },

    /** Takes mails that are due; those of abandoned leases are among them. {@link readMailRow} reads the rows. */
    claim(claim: Claim) {
      return write
        .update(mail)
        .set(taken(claim))
        .where(sql`${mail.id} IN (${dueIn(claim)} LIMIT ${allowance(claim)})`)
        .returning({ row: ROW, content: CONTENT });
    },

    /** Takes mails of a lane whose server is down, if one of their other definitions is well. */
    claimMovable(claim: Claim) {
      const nowMs = claim.now.getTime();
      const movable = sql`
        SELECT id FROM (
          SELECT id, alternatives FROM mail
          WHERE lane = ${claim.lane} AND due_at <= ${nowMs} AND alternatives <> '[]' AND lease IS NULL
          ORDER BY due_at LIMIT ${MOST_LOOKED_AT}
        ) AS due
        WHERE EXISTS (SELECT 1 FROM json_each(due.alternatives) AS other
          LEFT JOIN server_health ON server_health.identifier = other.value
          WHERE server_health.open_until IS NULL)
        LIMIT ${claim.limit}`;
      return write
        .update(mail)
        .set(taken(claim))
        .where(sql`${mail.id} IN (${movable})`)
        .returning({ row: ROW, content: CONTENT });
    },

    /** Takes mails whose time is over, in whatever lane, unless somebody is sending them. */
    claimOverdue(claim: Omit<Claim, "lane" | "mailsPerMinute">) {
      const overdue = sql`
        SELECT id FROM mail WHERE give_up_at <= ${claim.now.getTime()} AND due_at IS NOT NULL
          AND (lease IS NULL OR due_at <= ${claim.expiredBefore.getTime()}) LIMIT ${claim.limit}`;
      return write
        .update(mail)
        .set(taken(claim))
        .where(sql`${mail.id} IN (${overdue})`)
        .returning({ row: ROW, content: CONTENT });
    },

    /** Says that these mails begin to be sent; returns the ids of those that are still held. */
    begin(held: readonly Held[]) {
      return write.update(mail).set({ begun: true }).where(isHeld(held)).returning({ id: mail.id });
    },

    /** Holds mails for longer; returns the ids of those that are still held. */
    prolong(held: readonly Held[], leaseEndsAt: Date, now: Date) {
      return write
        .update(mail)
        .set({ dueAt: leaseEndsAt.getTime(), updatedAt: now })
        .where(isHeld(held))
        .returning({ id: mail.id });
    },

    /** Records tries; a mail that is no longer held gets none. To be committed before {@link settle}. */
    recordAttempts(settlements: readonly Settlement[]) {
      const rows = settlements.flatMap(({ id, lease, attempts }) =>
        attempts.map(({ identifier, date, ...result }) => ({
          id,
          lease,
          identifier,
          date: date.getTime(),
          result,
        })),
      );
      return write.run(sql`
        INSERT INTO mail_attempt (mail_id, identifier, date, result)
        SELECT mail.id, one.value ->> 'identifier', one.value ->> 'date', one.value -> 'result'
        FROM json_each(${JSON.stringify(rows)}) AS one
        JOIN mail ON mail.id = one.value ->> 'id' AND mail.lease = one.value ->> 'lease'`);
    },

    /** Writes down what became of mails; one that is no longer held stays as it is. Returns the ids of the others. */
    settle(settlements: readonly Settlement[], now: Date) {
      // Of several for one mail the last counts: it knows what the others knew.
      const latest = new Map(
        settlements.map(({ attempts: _, ...settlement }) => [settlement.lease + settlement.id, settlement]),
      );
      const rows = [...latest.values()];
      return write.all<{ readonly id: string }>(sql`
        UPDATE mail SET
          state = one.value ->> 'state',
          identifier = one.value ->> 'identifier',
          lane = one.value ->> 'lane',
          alternatives = one.value -> 'alternatives',
          recipients = one.value -> 'recipients',
          due_at = one.value ->> 'dueAt',
          content_until = one.value ->> 'contentUntil',
          lease = CASE WHEN one.value ->> 'released' THEN NULL ELSE mail.lease END,
          begun = CASE WHEN one.value ->> 'released' THEN 0 ELSE mail.begun END,
          updated_at = ${now.getTime()}
        FROM json_each(${JSON.stringify(rows)}) AS one
        WHERE mail.id = one.value ->> 'id' AND mail.lease = one.value ->> 'lease'
        RETURNING mail.id AS id`);
    },
  };
}

function taken({ lease, leaseEndsAt, now }: Pick<Claim, "lease" | "leaseEndsAt" | "now">) {
  return {
    // What is known of the claim before the last one holds until somebody has decided on it.
    lost: sql<number>`CASE WHEN ${mail.lease} IS NULL THEN 0 ELSE max(${mail.lost}, 1 + ${mail.begun}) END`,
    begun: false,
    state: "sending" as const,
    lease,
    dueAt: leaseEndsAt.getTime(),
    updatedAt: now,
  };
}

function dueIn({ lane, now, expiredBefore }: Pick<Claim, "lane" | "now" | "expiredBefore">): SQL {
  return sql`
    SELECT id FROM mail WHERE lane = ${lane} AND due_at <= ${now.getTime()}
      AND (lease IS NULL OR due_at <= ${expiredBefore.getTime()}) ORDER BY due_at, created_at`;
}

/** What a limit per minute leaves of a claim: less what was tried in the last minute or is held right now. */
function allowance({ lane, now, limit, mailsPerMinute }: Claim): SQL {
  if (mailsPerMinute === 0) return sql`${limit}`;
  const [nowMs, minuteAgo] = [now.getTime(), now.getTime() - MINUTE_MS];
  return sql`max(0, min(${limit}, ${mailsPerMinute}
    - (SELECT count(*) FROM mail_attempt WHERE identifier = ${lane} AND date > ${minuteAgo} AND date <= ${nowMs})
    - (SELECT count(*) FROM mail WHERE identifier = ${lane} AND state = 'sending')))`;
}

function isHeld(held: readonly Held[]): SQL {
  return sql`(${mail.id}, ${mail.lease}) IN
    (SELECT value ->> 'id', value ->> 'lease' FROM json_each(${JSON.stringify(held)}))`;
}

/** A mail as a claim returns it; the content apart, which is too large to be written as JSON and read again. */
export interface ClaimedMail {
  readonly row: string;
  readonly content: string | null;
}

/** Reads what a claim returns. */
export function readMailRow({ row: text, content }: ClaimedMail): MailRow {
  const row = JSON.parse(text);
  return {
    ...row,
    content: content ?? "",
    alternatives: JSON.parse(row.alternatives),
    recipients: JSON.parse(row.recipients),
    createdAt: new Date(row.createdAt),
    updatedAt: new Date(row.updatedAt),
    expiresAt: row.expiresAt === null ? null : new Date(row.expiresAt),
    giveUpAt: new Date(row.giveUpAt),
    contentUntil: row.contentUntil === null ? null : new Date(row.contentUntil),
    begun: row.begun === 1,
  };
}
