import { eq, getTableColumns, type Placeholder, type SQL, sql } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import type { Database } from "../contracts/database.ts";
import type { MailAttempt, MailState, RecipientProgress } from "../domain/queued-mail.ts";
import { placeholdersFor } from "./prepare.ts";
import { mail, mailContent } from "./schema.ts";

/** A queued message as it is stored. */
export type MailRow = typeof mail.$inferSelect & {
  /** The first piece of the content, sealed. Empty if it is too large to read with the claim. */
  readonly content: string;
  /** Further pieces of the content. Only for a row to insert. */
  readonly furtherContent?: readonly string[];
};
export type OutboxRepository = ReturnType<typeof createOutboxRepository>;

/** A server queue that has messages in it, and what limits its sending. */
export interface QueueSummary {
  /** Name of the definition; empty for definitions that are not saved. */
  readonly queueName: string;
  /** When its next message is due or its next lease ends, in milliseconds since the Unix epoch. */
  readonly dueAt: number;
  readonly maxConnections: number | null;
  /** 0: no limit. */
  readonly mailsPerMinute: number | null;
  /** Milliseconds since the Unix epoch; `null` if the circuit is closed. */
  readonly openUntil: number | null;
  /** Failures in a row. */
  readonly failures: number | null;
}

export interface Claim {
  readonly queueName: string;
  /** Identifies the claim; no two claims share a value. */
  readonly lease: string;
  readonly leaseEndsAt: Date;
  readonly now: Date;
  /** Leases that ended later stay with their workers. `now`, or earlier if a stall may have delayed renewals. */
  readonly expiredBefore: Date;
  readonly limit: number;
  /** 0: no limit. */
  readonly mailsPerMinute: number;
}

/** A message under the lease of a worker. */
export interface LeaseRef {
  readonly id: string;
  readonly lease: string;
}

/** The new state of a message that a worker has leased. */
export interface MailUpdate extends LeaseRef {
  readonly state: MailState;
  readonly identifier: string;
  readonly queueName: string;
  /** Names of all definitions that may still be used; empty if there is only one. */
  readonly alternatives: readonly string[];
  readonly recipients: readonly RecipientProgress[];
  /** Milliseconds since the Unix epoch; `null` if the message is final. */
  readonly dueAt: number | null;
  /** Until when the content of a final message is kept, in milliseconds since the Unix epoch; `null` erases it. */
  readonly contentUntil: number | null;
  /** Whether the worker releases the lease. */
  readonly released: boolean;
  readonly attempts: readonly Omit<MailAttempt, "mailId">[];
}

const MINUTE_MS = 60_000;
/** How many of the oldest messages one failover claim examines. */
const MAX_FAILOVER_CANDIDATES = 1_000;

/** One text instead of twenty cells, each of which costs the driver microseconds. */
const ROW = sql<string>`json_object(${sql.join(
  Object.entries(getTableColumns(mail)).flatMap(([name, column]) => [sql.raw(`'${name}'`), sql`${column}`]),
  sql`, `,
)})`;
/** Longest content that a claim returns, in characters: hundreds of large messages would fill the memory. */
const MAX_CLAIMED_CONTENT = 65_536;
const CONTENT = sql<string | null>`(SELECT mail_content.content FROM mail_content
  WHERE mail_content.id = mail.id AND length(mail_content.content) <= ${sql.raw(String(MAX_CLAIMED_CONTENT))})`;

const time = (name: string) => sql`${sql.param(sql.placeholder(name), mail.createdAt)}`;
const NOW = time("now");
const QUEUE_NAME = sql.placeholder("queueName");
const LIMIT = sql.placeholder("limit");
const EXPIRED_BEFORE = time("expiredBefore");
const ROWS = sql.placeholder("rows");

const SELECT_QUEUES = sql`
  WITH RECURSIVE lanes (lane) AS (
    SELECT min(lane) FROM mail WHERE due_at IS NOT NULL
    UNION ALL
    SELECT (SELECT min(mail.lane) FROM mail WHERE mail.lane > lanes.lane AND mail.due_at IS NOT NULL)
    FROM lanes WHERE lanes.lane IS NOT NULL
  )
  SELECT lanes.lane AS queueName,
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
const CLAIMED = {
  // What is known of an earlier claim stays until a worker has acted on it.
  lost: sql<number>`CASE WHEN ${mail.lease} IS NULL THEN 0 ELSE max(${mail.lost}, 1 + ${mail.started}) END`,
  started: false,
  state: "sending" as const,
  lease: sql`${sql.placeholder("lease")}`,
  dueAt: time("leaseEndsAt"),
  updatedAt: NOW,
};
const DUE = sql`
  SELECT id FROM mail WHERE lane = ${QUEUE_NAME} AND due_at <= ${NOW}
    AND (lease IS NULL OR due_at <= ${EXPIRED_BEFORE}) ORDER BY due_at, created_at`;
/** How many messages a rate limit still allows: attempts of the last minute and leased messages count. */
const ALLOWANCE = sql`max(0, min(${LIMIT}, ${sql.placeholder("mailsPerMinute")}
  - (SELECT count(*) FROM mail_attempt WHERE identifier = ${QUEUE_NAME} AND date > ${time("minuteAgo")} AND date <= ${NOW})
  - (SELECT count(*) FROM mail WHERE identifier = ${QUEUE_NAME} AND state = 'sending')))`;
const FAILOVER = sql`
  SELECT id FROM (
    SELECT id, alternatives FROM mail
    WHERE lane = ${QUEUE_NAME} AND due_at <= ${NOW} AND alternatives <> '[]' AND lease IS NULL
    ORDER BY due_at LIMIT ${MAX_FAILOVER_CANDIDATES}
  ) AS due
  WHERE EXISTS (SELECT 1 FROM json_each(due.alternatives) AS other
    LEFT JOIN server_health ON server_health.identifier = other.value
    WHERE server_health.open_until IS NULL)
  LIMIT ${LIMIT}`;
const OVERDUE = sql`
  SELECT id FROM mail WHERE give_up_at <= ${NOW} AND due_at IS NOT NULL
    AND (lease IS NULL OR due_at <= ${EXPIRED_BEFORE}) LIMIT ${LIMIT}`;
const IS_LEASED = isLeased(sql.placeholder("leases"));

const RECORD_ATTEMPTS = sql`
  INSERT INTO mail_attempt (mail_id, identifier, date, result)
  SELECT mail.id, one.value ->> 'identifier', one.value ->> 'date', one.value -> 'result'
  FROM json_each(${ROWS}) AS one
  JOIN mail ON mail.id = one.value ->> 'id' AND mail.lease = one.value ->> 'lease'`;
const APPLY_UPDATES = sql`
  UPDATE mail SET
    state = one.value ->> 'state',
    identifier = one.value ->> 'identifier',
    lane = one.value ->> 'queueName',
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

/** The row id of one piece of a message's content. */
export function pieceName(mailId: string, piece: number): string {
  return piece === 0 ? mailId : `${mailId}/${piece}`;
}

/** Creates the repository of queued messages. Writes are unexecuted statements for `commit`. */
export function createOutboxRepository({ read, write, prepare }: Database) {
  // A commit whose response was lost may run twice.
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
  const selectQueues = prepare(read.all<QueueSummary>(SELECT_QUEUES));
  const claimWhere = (due: SQL) =>
    prepare(
      write
        .update(mail)
        .set(CLAIMED)
        .where(sql`${mail.id} IN (${due})`)
        .returning({ row: ROW, content: CONTENT }),
    );
  const claim = claimWhere(sql`${DUE} LIMIT ${LIMIT}`);
  const claimWithinRate = claimWhere(sql`${DUE} LIMIT ${ALLOWANCE}`);
  const claimForFailover = claimWhere(FAILOVER);
  const claimOverdue = claimWhere(OVERDUE);
  const markStarted = prepare(
    write.update(mail).set({ started: true }).where(IS_LEASED).returning({ id: mail.id }),
  );
  const recordAttempts = prepare(write.run(RECORD_ATTEMPTS));
  const applyUpdates = prepare(write.all<{ readonly id: string }>(APPLY_UPDATES));
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

    /** Lists the queues that have messages. Reads one index entry for each, however many messages wait. */
    async listQueues(): Promise<QueueSummary[]> {
      const [queues] = await read.batch([selectQueues()]);
      return queues;
    },

    /** Claims due messages, including those of abandoned leases. {@link readMailRow} reads the rows. */
    claim: (claimed: Claim) => (claimed.mailsPerMinute === 0 ? claim : claimWithinRate)(valuesOf(claimed)),

    /** Claims messages of a queue whose server is down, if the circuit of one of their alternatives is closed. */
    claimForFailover: (claimed: Claim) => claimForFailover(valuesOf(claimed)),

    /** Claims messages past `giveUpAt` from every queue, except those being sent. */
    claimOverdue: (claimed: Omit<Claim, "queueName" | "mailsPerMinute">) => claimOverdue(valuesOf(claimed)),

    /** Marks messages whose sending starts. Returns the ids of those that are still leased. */
    markStarted: (leases: readonly LeaseRef[]) => markStarted({ leases: JSON.stringify(leases) }),

    /** Extends leases. Returns the ids of the messages that are still leased. */
    renewLeases(leases: readonly LeaseRef[], leaseEndsAt: Date, now: Date) {
      return write
        .update(mail)
        .set({ dueAt: leaseEndsAt.getTime(), updatedAt: now })
        .where(isLeased(JSON.stringify(leases)))
        .returning({ id: mail.id });
    },

    /** Records attempts, but none for a lost lease. Commit it before {@link applyUpdates}, which may release leases. */
    recordAttempts(updates: readonly MailUpdate[]) {
      const rows = updates.flatMap(({ id, lease, attempts }) =>
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

    /** Applies updates, but none for a lost lease. Returns the ids of the updated messages. */
    applyUpdates(updates: readonly MailUpdate[], now: Date) {
      // The last update of a message includes the earlier ones.
      const latest = new Map(updates.map(({ attempts: _, ...update }) => [update.lease + update.id, update]));
      return applyUpdates({ rows: JSON.stringify([...latest.values()]), now });
    },
  };
}

function columnsOf<T extends SQLiteTable>(table: T): (keyof T["$inferSelect"] & string)[] {
  return Object.keys(getTableColumns(table));
}

/** Adds the start of the minute that a rate limit counts. */
function valuesOf<C extends Omit<Claim, "queueName" | "mailsPerMinute">>(claim: C) {
  return { ...claim, minuteAgo: new Date(claim.now.getTime() - MINUTE_MS) };
}

function isLeased(leases: string | Placeholder): SQL {
  return sql`(${mail.id}, ${mail.lease}) IN
    (SELECT value ->> 'id', value ->> 'lease' FROM json_each(${leases}))`;
}

/** A row that a claim returns. The content is separate: it is too large to write as JSON and parse again. */
export interface ClaimedRow {
  readonly row: string;
  readonly content: string | null;
}

/** Reads a row that a claim returned. */
export function readMailRow({ row: text, content }: ClaimedRow): MailRow {
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
    started: row.started === 1,
  };
}
