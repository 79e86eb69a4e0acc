import { getTableColumns, type Placeholder, type SQL, sql } from "drizzle-orm";
import type { SQLiteColumn, SQLiteTable } from "drizzle-orm/sqlite-core";
import type { Database, RowsStatement, WriteStatement } from "../contracts/database.ts";
import { HOLD_MS } from "../domain/queued-mail.ts";
import { placeholdersFor } from "./drizzle.ts";
import { mail, mailContent } from "./schema.ts";

/** A server queue that has messages in it, and what limits its sending. */
export interface QueueSummary {
  /** Name of the definition, or empty for definitions that are not saved. */
  readonly queueName: string;
  /** The time when its next message is due or its next lease ends, in milliseconds since the Unix epoch. */
  readonly dueAt: number;
  readonly maxConnections: number | null;
  /** 0: no limit. */
  readonly mailsPerMinute: number | null;
  /** Milliseconds since the Unix epoch; `null` if the circuit is closed. */
  readonly openUntil: number | null;
  /** Failures in a row. */
  readonly failures: number | null;
}

/** A row that a claim returns. The content is separate: it is too large to write as JSON and parse again. */
export interface ClaimedRow {
  readonly row: string;
  readonly content: string | null;
}

/** Oldest messages that one failover claim examines. */
const MAX_FAILOVER_CANDIDATES = 1_000;

/** A name and its value are two arguments, and some databases take no more than 32. */
const FIELDS_PER_OBJECT = 16;
/** One text instead of twenty cells, each of which costs the driver microseconds: the fields in several objects. */
const ROW = sql<string>`json_array(${sql.join(objectsOf(Object.entries(getTableColumns(mail))), sql`, `)})`;
/**
 * Longest content that a claim returns, in octets: hundreds of large messages would fill the memory. `octet_length` knows
 * it without reading the content, which `length` would count through.
 */
const MAX_CLAIMED_CONTENT = 65_536;
const CONTENT = sql<string | null>`(SELECT mail_content.content FROM mail_content
  WHERE mail_content.id = mail.id AND octet_length(mail_content.content) <= ${sql.raw(String(MAX_CLAIMED_CONTENT))})`;

const time = (name: string) => sql`${sql.param(sql.placeholder(name), mail.createdAt)}`;
const NOW = time("now");
const QUEUE_NAME = sql.placeholder("queueName");
const LIMIT = sql.placeholder("limit");
const EXPIRED_BEFORE = time("expiredBefore");
const ROWS = sql.placeholder("rows");
const HELD_FROM = sql.raw(String(HOLD_MS));

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

/** Characters of the ID of a claim, which is a UUID. */
const CLAIM_ID_LENGTH = 36;

/** Returns the ID of the latest claim in a lease, which has that of an abandoned one behind it. */
export function latestClaim(lease: string | null): string {
  return (lease ?? "").slice(0, CLAIM_ID_LENGTH);
}

/** The columns that a claim writes. */
const CLAIMED = {
  // The end of an earlier claim stays known until a worker has acted on it.
  lost: sql<number>`CASE WHEN ${mail.lease} IS NULL THEN 0 ELSE max(${mail.lost}, 1 + ${mail.started}) END`,
  started: false,
  state: "sending" as const,
  // With the ID of the abandoned claim that it takes over.
  lease: sql`${sql.placeholder("lease")} || coalesce(' ' || substr(${mail.lease}, 1, ${sql.raw(String(CLAIM_ID_LENGTH))}), '')`,
  dueAt: time("leaseEndsAt"),
  updatedAt: NOW,
};
const dueMail = (columns: SQL): SQL => sql`
  SELECT ${columns} FROM mail WHERE lane = ${QUEUE_NAME} AND due_at <= ${NOW}
    AND (lease IS NULL OR due_at <= ${EXPIRED_BEFORE}) ORDER BY due_at, created_at LIMIT ${LIMIT}`;
/** Recipients of a message who are due. Each gets a message of its own, which a rate limit counts. */
const PENDING = sql`(SELECT count(*) FROM json_each(mail.recipients) AS one
  WHERE one.value ->> 'state' IN ('queued', 'deferred') AND coalesce(one.value ->> 'dueAt', 0) <= ${NOW})`;
/**
 * The part of a rate limit that is used up: by attempts of the last minute, and by messages in flight. With a range of
 * `due_at`, SQLite would take its index, and read all waiting messages.
 */
const USED = sql`(SELECT count(*) FROM mail_attempt
    WHERE identifier = ${QUEUE_NAME} AND date > ${time("minuteAgo")} AND date <= ${NOW})
  + (SELECT coalesce(sum(${PENDING}), 0) FROM mail WHERE identifier = ${QUEUE_NAME} AND state = 'sending'
    AND due_at > ${EXPIRED_BEFORE} AND +due_at < ${HELD_FROM})`;
/**
 * Due messages, until a rate limit is used up. The last one may exceed it: if all of its recipients had to be within the
 * limit, messages that are not queued could keep it waiting until it is given up. The sum follows the order of the rows,
 * because an order of its own would sort them.
 */
const DUE_WITHIN_RATE = sql`
  SELECT id FROM (
    SELECT id, sum(pending) OVER (ROWS UNBOUNDED PRECEDING) - pending AS ahead, ${USED} AS used
    FROM (${dueMail(sql`id, ${PENDING} AS pending`)})
  )
  WHERE used + ahead < ${sql.placeholder("mailsPerMinute")}`;
/** Messages of abandoned leases, and due ones that may move. A range of `due_at` would read all waiting messages here, too. */
const FAILOVER = sql`
  SELECT id FROM mail WHERE state = 'sending' AND identifier = ${QUEUE_NAME} AND +lane = ${QUEUE_NAME}
    AND +due_at <= ${EXPIRED_BEFORE}
  UNION ALL
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
  SELECT id FROM mail WHERE give_up_at <= ${NOW} AND due_at < ${HELD_FROM}
    AND (lease IS NULL OR due_at <= ${EXPIRED_BEFORE}) LIMIT ${LIMIT}`;
const IS_LEASED = isLeased(sql.placeholder("leases"));
export const IS_ANY_LEASED = sql`EXISTS (SELECT 1 FROM mail WHERE ${IS_LEASED})`;

/** Materialized, because each use of a value of `json_each` writes it as text, which is then parsed again. */
const GIVEN = sql`given AS MATERIALIZED (SELECT value FROM json_each(${ROWS}) AS one)`;
/** Returns rows, because the driver's thread runs only statements that do. */
const RECORD_ATTEMPTS = sql`
  WITH ${GIVEN}
  INSERT INTO mail_attempt (mail_id, identifier, date, result)
  SELECT mail.id, one.value ->> 'identifier', one.value ->> 'date', one.value -> 'result'
  FROM given AS one
  JOIN mail ON mail.id = one.value ->> 'id' AND mail.lease = one.value ->> 'lease'
  WHERE NOT EXISTS (SELECT 1 FROM mail_attempt AS past WHERE past.identifier = one.value ->> 'identifier'
    AND past.date = one.value ->> 'date' AND past.mail_id = mail.id AND past.result = one.value -> 'result')
  RETURNING number`;
/** A repeated commit finds the messages that the first one has released as it left them. `due_at` follows from the recipients. */
const APPLY_UPDATES = sql`
  WITH ${GIVEN}
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
  FROM given AS one
  WHERE mail.id = one.value ->> 'id' AND (mail.lease = one.value ->> 'lease' OR mail.lease IS NULL
    AND mail.updated_at = ${NOW} AND mail.recipients = one.value -> 'recipients')
  RETURNING mail.id AS id`;

/** Prepares the statements of the outbox. */
export function prepareOutbox({ read, write, prepare }: Database) {
  // Without these types, the declarations of the package would spell out the columns of each statement.
  const claimWhere = (due: SQL) =>
    prepare(
      (): RowsStatement<ClaimedRow> =>
        write
          .update(mail)
          .set(CLAIMED)
          .where(sql`${mail.id} IN (${due})`)
          .returning({ row: ROW, content: CONTENT }),
    );
  return {
    // A commit whose response was lost may run twice.
    insertMail: prepare(
      (): WriteStatement =>
        write
          .insert(mail)
          .values(placeholdersFor(columnsOf(mail)))
          .onConflictDoNothing(),
    ),
    insertPiece: prepare(
      (): WriteStatement =>
        write
          .insert(mailContent)
          .values(placeholdersFor(columnsOf(mailContent)))
          .onConflictDoNothing(),
    ),
    selectQueues: prepare((): RowsStatement<QueueSummary> => read.all(SELECT_QUEUES)),
    claim: claimWhere(dueMail(sql`id`)),
    claimWithinRate: claimWhere(DUE_WITHIN_RATE),
    claimForFailover: claimWhere(FAILOVER),
    claimOverdue: claimWhere(OVERDUE),
    markStarted: prepare(
      (): RowsStatement<{ id: string }> =>
        write.update(mail).set({ started: true }).where(IS_LEASED).returning({ id: mail.id }),
    ),
    recordAttempts: prepare((): RowsStatement<{ readonly number: number }> => write.all(RECORD_ATTEMPTS)),
    applyUpdates: prepare((): RowsStatement<{ readonly id: string }> => write.all(APPLY_UPDATES)),
  };
}

/** Whether the message is one of these leases, as an expression. @param leases as JSON. */
export function isLeased(leases: string | Placeholder): SQL {
  return sql`(${mail.id}, ${mail.lease}) IN
    (SELECT value ->> 'id', value ->> 'lease' FROM json_each(${leases}))`;
}

function objectsOf(fields: readonly (readonly [name: string, column: SQLiteColumn])[]): SQL[] {
  if (fields.length === 0) return [];
  const values = fields
    .slice(0, FIELDS_PER_OBJECT)
    .flatMap(([name, column]) => [sql.raw(`'${name}'`), sql`${column}`]);
  return [sql`json_object(${sql.join(values, sql`, `)})`, ...objectsOf(fields.slice(FIELDS_PER_OBJECT))];
}

function columnsOf<T extends SQLiteTable>(table: T): (keyof T["$inferSelect"] & string)[] {
  return Object.keys(getTableColumns(table));
}
