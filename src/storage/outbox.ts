import { eq, getTableColumns, type Placeholder, type SQL, sql } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import type { Database } from "../contracts/database.ts";
import type { MailAttempt, MailState, RecipientProgress } from "../domain/queued-mail.ts";
import { placeholdersFor } from "./prepare.ts";
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

const time = (name: string) => sql`${sql.param(sql.placeholder(name), mail.createdAt)}`;
const NOW = time("now");
const LANE = sql.placeholder("lane");
const LIMIT = sql.placeholder("limit");
const EXPIRED_BEFORE = time("expiredBefore");
const ROWS = sql.placeholder("rows");

const LANES = sql`
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
  WHERE lanes.lane IS NOT NULL`;

/** What a claim writes. */
const TAKEN = {
  // What is known of the claim before the last one holds until a worker has decided on it.
  lost: sql<number>`CASE WHEN ${mail.lease} IS NULL THEN 0 ELSE max(${mail.lost}, 1 + ${mail.begun}) END`,
  begun: false,
  state: "sending" as const,
  lease: sql`${sql.placeholder("lease")}`,
  dueAt: time("leaseEndsAt"),
  updatedAt: NOW,
};
const DUE = sql`
  SELECT id FROM mail WHERE lane = ${LANE} AND due_at <= ${NOW}
    AND (lease IS NULL OR due_at <= ${EXPIRED_BEFORE}) ORDER BY due_at, created_at`;
/** What a limit per minute leaves of a claim: less what was tried in the last minute or is held right now. */
const ALLOWANCE = sql`max(0, min(${LIMIT}, ${sql.placeholder("mailsPerMinute")}
  - (SELECT count(*) FROM mail_attempt WHERE identifier = ${LANE} AND date > ${time("minuteAgo")} AND date <= ${NOW})
  - (SELECT count(*) FROM mail WHERE identifier = ${LANE} AND state = 'sending')))`;
const MOVABLE = sql`
  SELECT id FROM (
    SELECT id, alternatives FROM mail
    WHERE lane = ${LANE} AND due_at <= ${NOW} AND alternatives <> '[]' AND lease IS NULL
    ORDER BY due_at LIMIT ${MOST_LOOKED_AT}
  ) AS due
  WHERE EXISTS (SELECT 1 FROM json_each(due.alternatives) AS other
    LEFT JOIN server_health ON server_health.identifier = other.value
    WHERE server_health.open_until IS NULL)
  LIMIT ${LIMIT}`;
const OVERDUE = sql`
  SELECT id FROM mail WHERE give_up_at <= ${NOW} AND due_at IS NOT NULL
    AND (lease IS NULL OR due_at <= ${EXPIRED_BEFORE}) LIMIT ${LIMIT}`;
const IS_HELD = isHeld(sql.placeholder("held"));

const RECORD_ATTEMPTS = sql`
  INSERT INTO mail_attempt (mail_id, identifier, date, result)
  SELECT mail.id, one.value ->> 'identifier', one.value ->> 'date', one.value -> 'result'
  FROM json_each(${ROWS}) AS one
  JOIN mail ON mail.id = one.value ->> 'id' AND mail.lease = one.value ->> 'lease'`;
const SETTLE = sql`
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
    updated_at = ${NOW}
  FROM json_each(${ROWS}) AS one
  WHERE mail.id = one.value ->> 'id' AND mail.lease = one.value ->> 'lease'
  RETURNING mail.id AS id`;

/** The row of a piece of a message's content. */
export function pieceName(mailId: string, piece: number): string {
  return piece === 0 ? mailId : `${mailId}/${piece}`;
}

/** The outbox. What writes is an unexecuted statement for `commit`. */
export function createOutboxRepository({ read, write, prepare }: Database) {
  // A commit whose response is lost may be made again.
  const insertMail = prepare(
    write
      .insert(mail)
      .values(placeholdersFor(columnsOf(mail)))
      .onConflictDoNothing(),
  );
  const insertPiece = prepare(
    write
      .insert(mailContent)
      .values(placeholdersFor(columnsOf(mailContent)))
      .onConflictDoNothing(),
  );
  const readLanes = prepare(read.all<Lane>(LANES));
  const claimWhere = (due: SQL) =>
    prepare(
      write
        .update(mail)
        .set(TAKEN)
        .where(sql`${mail.id} IN (${due})`)
        .returning({ row: ROW, content: CONTENT }),
    );
  const claim = claimWhere(sql`${DUE} LIMIT ${LIMIT}`);
  const claimWithinRate = claimWhere(sql`${DUE} LIMIT ${ALLOWANCE}`);
  const claimMovable = claimWhere(MOVABLE);
  const claimOverdue = claimWhere(OVERDUE);
  const begin = prepare(write.update(mail).set({ begun: true }).where(IS_HELD).returning({ id: mail.id }));
  const recordAttempts = prepare(write.run(RECORD_ATTEMPTS));
  const settle = prepare(write.all<{ readonly id: string }>(SETTLE));
  return {
    insert(row: MailRow) {
      const { content: first, furtherContent = [], ...columns } = row;
      const pieces = [first, ...furtherContent].map((content, piece) =>
        insertPiece({ id: pieceName(row.id, piece), mailId: row.id, piece, content }),
      );
      return [insertMail(columns), ...pieces] as const;
    },

    /** Returns one piece of a message's content, sealed; `undefined` if there is none. */
    async readPiece(name: string): Promise<string | undefined> {
      const { content } = mailContent;
      return (await read.select({ content }).from(mailContent).where(eq(mailContent.id, name)).get())
        ?.content;
    },

    /** The lanes with mail in them; reads one entry of the index for each, however much is waiting. */
    async lanes(): Promise<Lane[]> {
      const [lanes] = await read.batch([readLanes()]);
      return lanes;
    },

    /** Takes mails that are due; those of abandoned leases are among them. {@link readMailRow} reads the rows. */
    claim: (claimed: Claim) => (claimed.mailsPerMinute === 0 ? claim : claimWithinRate)(valuesOf(claimed)),

    /** Takes mails of a lane whose server is down, if one of their other definitions is well. */
    claimMovable: (claimed: Claim) => claimMovable(valuesOf(claimed)),

    /** Takes mails whose time is over, in whatever lane, unless somebody is sending them. */
    claimOverdue: (claimed: Omit<Claim, "lane" | "mailsPerMinute">) => claimOverdue(valuesOf(claimed)),

    /** Says that these mails begin to be sent; returns the ids of those that are still held. */
    begin: (held: readonly Held[]) => begin({ held: JSON.stringify(held) }),

    /** Holds mails for longer; returns the ids of those that are still held. */
    prolong(held: readonly Held[], leaseEndsAt: Date, now: Date) {
      return write
        .update(mail)
        .set({ dueAt: leaseEndsAt.getTime(), updatedAt: now })
        .where(isHeld(JSON.stringify(held)))
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
      return recordAttempts({ rows: JSON.stringify(rows) });
    },

    /** Writes down what became of mails; one that is no longer held stays as it is. Returns the ids of the others. */
    settle(settlements: readonly Settlement[], now: Date) {
      // Of several for one mail the last counts: it knows what the others knew.
      const latest = new Map(
        settlements.map(({ attempts: _, ...settlement }) => [settlement.lease + settlement.id, settlement]),
      );
      return settle({ rows: JSON.stringify([...latest.values()]), now });
    },
  };
}

function columnsOf<T extends SQLiteTable>(table: T): (keyof T["$inferSelect"] & string)[] {
  return Object.keys(getTableColumns(table));
}

/** With the beginning of the minute that a rate counts. */
function valuesOf<C extends Omit<Claim, "lane" | "mailsPerMinute">>(claim: C) {
  return { ...claim, minuteAgo: new Date(claim.now.getTime() - MINUTE_MS) };
}

function isHeld(held: string | Placeholder): SQL {
  return sql`(${mail.id}, ${mail.lease}) IN
    (SELECT value ->> 'id', value ->> 'lease' FROM json_each(${held}))`;
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
