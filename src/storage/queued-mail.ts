import type { ResultSet } from "@libsql/client";
import { and, asc, count, desc, eq, getTableColumns, gte, type SQL, sql } from "drizzle-orm";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import type { Database, RowsStatement, WriteStatement } from "../contracts/database.ts";
import {
  HOLD_MS,
  isPending,
  type MailAttempt,
  type MailState,
  type QueuedMail,
} from "../domain/queued-mail.ts";
import { prepareFor, STATEMENTS } from "./drizzle.ts";
import { createReadMailStats, type ReadMailStats } from "./mail-stats.ts";
import { mail, mailAttempt } from "./schema.ts";

/** Selects queued messages. */
export interface MailQuery {
  readonly state?: MailState;
  /** Name of the definition. */
  readonly identifier?: string;
  /** Address of one of its recipients. */
  readonly recipient?: string;
  /** Only messages submitted since then. */
  readonly since?: Date;
  /** 1, 2, … */
  readonly page: number;
  readonly pageSize: number;
}

/** The fields of a message that an admin changes. */
export interface MailChange extends Pick<QueuedMail, "state" | "recipients" | "giveUpAt" | "contentUntil"> {
  /** Milliseconds since the Unix epoch; `null` if the message is final. */
  readonly dueAt: number | null;
}

/** A queued message, and the claim of the worker that sends it. */
export type ManagedMail = QueuedMail & typeof mail.$inferSelect;

/** Queued messages as admins see and manage them. Writes are unexecuted statements for `commit`. */
export interface QueuedMailRepository {
  /** Returns one page, the newest first, and how many messages match in all. */
  page(query: MailQuery): Promise<{ mails: QueuedMail[]; total: number }>;
  find(id: string): Promise<ManagedMail | undefined>;
  /** Returns a message and every attempt to deliver it, in order. `null` if it does not exist. */
  withAttempts(id: string): Promise<{ mail: ManagedMail; attempts: MailAttempt[] } | null>;
  readonly stats: ReadMailStats;
  /** Changes a message that is held, or that no worker has leased, and ends a lease. Affects no row if it is no longer as it was read. */
  update(old: QueuedMail, to: MailChange, now: Date): WriteStatement;
  /** Gives a lease that has ended another name. Affects no row if it was renewed or taken over. */
  takeLease(old: ManagedMail, lease: string, now: Date): WriteStatement;
  /** Selects the message if it is as an update at this time left it. */
  updated(id: string, to: Pick<MailChange, "recipients">, now: Date): RowsStatement<{ readonly id: string }>;
  /** Holds the messages that wait. One that is being sent is not affected. */
  hold(): WriteStatement;
  /** Makes held messages, and held work of plugins, due when they were due before. */
  release(): readonly WriteStatement[];
  /** Condition: a message or work of a plugin is held. */
  readonly isAnyHeld: SQL;
}

const isHeld = sql<boolean>`coalesce(${mail.dueAt} >= ${HOLD_MS}, 0)`.mapWith(Boolean);
const managed = { ...getTableColumns(mail), held: isHeld };
/** Without the columns that only workers use. */
const { queueName: _1, started: _2, lost: _3, lease: _4, dueAt: _5, ...seen } = managed;

/** @param dueTimes columns with due times of the work of plugins. */
export function createQueuedMailRepository(
  database: Database,
  dueTimes: readonly SQLiteColumn[],
): QueuedMailRepository {
  const { read, write } = database;
  return {
    stats: createReadMailStats(database, selectHeld(dueTimes)),

    async page(query) {
      const where = and(...conditions(query));
      const [[totals], mails] = await read.batch([
        read.select({ total: count() }).from(mail).where(where),
        read
          .select(seen)
          .from(mail)
          .where(where)
          .orderBy(desc(mail.createdAt), desc(mail.id))
          .limit(query.pageSize)
          .offset((query.page - 1) * query.pageSize),
      ]);
      return { mails, total: totals?.total ?? 0 };
    },

    async find(id) {
      return read.select(managed).from(mail).where(eq(mail.id, id)).get();
    },

    async withAttempts(id) {
      const [[found], rows] = await read.batch([
        read.select(managed).from(mail).where(eq(mail.id, id)),
        read.select().from(mailAttempt).where(eq(mailAttempt.mailId, id)).orderBy(asc(mailAttempt.number)),
      ]);
      const attempts = rows.map(({ number: _, result, ...attempt }) => ({ ...attempt, ...result }));
      return found ? { mail: found, attempts } : null;
    },

    update(old, to, now) {
      const isFinal = !old.recipients.some(isPending);
      const asRead = sql`(${mail.lease} IS NULL OR ${isHeld}) AND (${mail.dueAt} IS NULL) = ${isFinal ? 1 : 0}
        AND ${mail.contentUntil} IS ${old.contentUntil?.getTime() ?? null}
        AND ${mail.recipients} = ${JSON.stringify(old.recipients)}`;
      return write
        .update(mail)
        .set({ ...to, lease: null, started: false, updatedAt: now })
        .where(and(eq(mail.id, old.id), asRead));
    },

    takeLease: ({ id, lease, started }, taken, now) =>
      write.run(sql`UPDATE mail SET lease = ${taken}
        WHERE id = ${id} AND lease = ${lease} AND begun = ${started ? 1 : 0} AND due_at <= ${now.getTime()}`),

    updated: (id, { recipients }, now) =>
      read
        .select({ id: mail.id })
        .from(mail)
        .where(and(eq(mail.id, id), eq(mail.updatedAt, now), eq(mail.recipients, recipients))),

    hold: () => moveBy(HOLD_MS, mail.dueAt, write, sql`${mail.dueAt} < ${HOLD_MS} AND ${mail.lease} IS NULL`),

    release: () =>
      [mail.dueAt, ...dueTimes].map((dueAt) => moveBy(-HOLD_MS, dueAt, write, sql`${dueAt} >= ${HOLD_MS}`)),

    isAnyHeld: sql`${countHeld(dueTimes)} > 0`,
  };
}

/** Selects the number of held messages and of held work of plugins. */
export const selectHeld = prepareFor((dueTimes: readonly SQLiteColumn[]) =>
  STATEMENTS.select({ held: countHeld(dueTimes).mapWith(Number) }).from(sql`(SELECT 1)`),
);

function countHeld(dueTimes: readonly SQLiteColumn[]): SQL {
  const counts = [mail.dueAt, ...dueTimes].map(
    (dueAt) => sql`(SELECT count(*) FROM ${dueAt.table} WHERE ${dueAt} >= ${HOLD_MS})`,
  );
  return sql.join(counts, sql` + `);
}

/**
 * Holds the messages and the work of plugins that wait in a copy of a database. Leases get other names, so that a worker of
 * the original, which may still be sending the same messages, does not write to the copy, and its records do not say what
 * it has sent meanwhile.
 */
export function holdCopied(
  { write }: Pick<Database, "write">,
  dueTimes: readonly SQLiteColumn[],
): WriteStatement[] {
  return [
    write.run(
      sql`UPDATE mail SET due_at = due_at + ${HOLD_MS}, lease = 'copied ' || lease WHERE due_at < ${HOLD_MS}`,
    ),
    ...dueTimes.map((dueAt) => moveBy(HOLD_MS, dueAt, write, sql`${dueAt} < ${HOLD_MS}`)),
  ];
}

/** Returns the number of rows that writes have changed. @param results those of the writes. */
export function changedRows(results: readonly unknown[]): number {
  return (results as readonly ResultSet[]).reduce((sum, { rowsAffected }) => sum + rowsAffected, 0);
}

/** Adds a time to the due times of the rows that fulfill a condition. */
function moveBy(ms: number, dueAt: SQLiteColumn, write: Database["write"], where: SQL): WriteStatement {
  const name = sql.identifier(dueAt.name);
  return write.run(sql`UPDATE ${dueAt.table} SET ${name} = ${dueAt} + ${ms} WHERE ${where}`);
}

function conditions({ state, identifier, recipient, since }: MailQuery): SQL[] {
  const found: SQL[] = [];
  if (state !== undefined) found.push(eq(mail.state, state));
  if (identifier !== undefined) found.push(eq(mail.identifier, identifier));
  if (since !== undefined) found.push(gte(mail.createdAt, since));
  if (recipient !== undefined) {
    found.push(sql`EXISTS (SELECT 1 FROM json_each(${mail.recipients}) AS one
      WHERE one.value ->> 'address' = ${recipient} COLLATE NOCASE)`);
  }
  return found;
}
