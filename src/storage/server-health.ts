import { and, count, eq, gt, isNotNull, isNull, lte, or, type SQL, sql } from "drizzle-orm";
import type { Database, RowsStatement, WriteStatement } from "../contracts/database.ts";
import { CLOCK_TOLERANCE_MS } from "../domain/clock.ts";
import { HOLD_MS, type RecipientProgress } from "../domain/queued-mail.ts";
import { isOneOf } from "./conditions.ts";
import { prepareStatement, STATEMENTS } from "./drizzle.ts";
import { mail, serverHealth } from "./schema.ts";

export type ServerHealthRow = typeof serverHealth.$inferSelect;

/** The part of a failure that matters for the health of a server. */
export interface HealthFailure {
  readonly phase: string;
  readonly code: string;
}

/** A probe that one worker runs. */
export interface ProbeRef {
  readonly identifier: string;
  /** No two probes share a token. */
  readonly token: string;
}

/**
 * The health of servers that failed recently; a server without a row is healthy. Writes are unexecuted statements for
 * `commit`.
 */
export interface ServerHealthRepository {
  /** Returns all rows, and how many messages of each definition are not final, in one round trip. */
  listWithWaiting(): Promise<{
    readonly rows: readonly ServerHealthRow[];
    readonly waiting: ReadonlyMap<string, number>;
  }>;
  find(identifier: string): Promise<ServerHealthRow | undefined>;
  /** Returns the row, and how many messages of the definition are not final. */
  findWithWaiting(
    identifier: string,
  ): Promise<{ readonly row: ServerHealthRow | undefined; readonly waiting: number }>;
  /** Returns the definitions among these whose circuit is open or half-open. */
  open(identifiers: readonly string[]): Promise<Set<string>>;
  /** Adds a failure to the row, or inserts it. Returns the new row. */
  fail(identifier: string, failure: HealthFailure, now: Date): RowsStatement<ServerHealthRow>;
  /** Opens the circuit. Affects no row if it is open. */
  trip(identifier: string, until: Date): WriteStatement;
  /** Leases a due probe to one worker and returns the row; no row if none is due or another worker has it. */
  claimProbe(probe: ProbeRef, now: Date, leaseEndsAt: Date): RowsStatement<ServerHealthRow>;
  /** Keeps the circuit open after a probe. Affects no row if another worker has the probe now. */
  failProbe(
    probe: ProbeRef,
    failure: HealthFailure,
    to: { readonly opens: number; readonly until: Date },
    now: Date,
  ): WriteStatement;
  /** Ends a probe without a result and sets when the next one is due. */
  releaseProbe(probe: ProbeRef, dueAt: Date): WriteStatement;
  /** Closes the circuit after a probe. Returns no row if another worker has the probe now. */
  closeByProbe(probe: ProbeRef): RowsStatement<ServerHealthRow>;
  /** Deletes the row of a definition and returns it. */
  clear(identifier: string): RowsStatement<ServerHealthRow>;
  /** Deletes failures that have not opened the circuit. */
  clearIfClosed(identifier: string): WriteStatement;
  /** Makes the probe of an open circuit due now, and ignores the result of a running one. */
  makeProbeDue(identifier: string, now: Date): WriteStatement;
  /**
   * Makes probes due that a clock jump has delayed: those of circuits opened in what is now the future, and those later
   * than any.
   */
  recoverFromClockJump(now: Date, latest: { readonly probe: Date; readonly lease: Date }): WriteStatement;
}

/** Every `GET` of a definition runs these two. */
const selectHealth = prepareStatement(() =>
  STATEMENTS.select()
    .from(serverHealth)
    .where(eq(serverHealth.identifier, sql.placeholder("identifier"))),
);
const countWaiting = prepareStatement(() =>
  STATEMENTS.select({ waiting: count() })
    .from(mail)
    .where(and(eq(mail.queueName, sql.placeholder("identifier")), isNotNull(mail.dueAt))),
);

type Changes = Parameters<ReturnType<Database["write"]["update"]>["set"]>[0];

export function createServerHealthRepository({ read, write }: Database): ServerHealthRepository {
  const update = (changes: Changes, where?: SQL) => write.update(serverHealth).set(changes).where(where);
  const remove = (where?: SQL) => write.delete(serverHealth).where(where);
  const oneMore = sql`${serverHealth.failures} + 1`;
  const isOpen = isNotNull(serverHealth.openUntil);
  return {
    listWithWaiting: () => listWithWaiting(read),

    async find(identifier) {
      return read.select().from(serverHealth).where(isOf(identifier)).get();
    },

    async findWithWaiting(identifier) {
      const [[row], [counted]] = await read.batch([
        selectHealth({ identifier }),
        countWaiting({ identifier }),
      ]);
      return { row, waiting: counted?.waiting ?? 0 };
    },

    async open(identifiers) {
      const rows = await read
        .select({ identifier: serverHealth.identifier })
        .from(serverHealth)
        .where(and(isOneOf(serverHealth.identifier, identifiers), isOpen));
      return new Set(rows.map(({ identifier }) => identifier));
    },

    fail(identifier, { phase, code }, now) {
      const failed = { failedAt: now, phase, code };
      return write
        .insert(serverHealth)
        .values({ identifier, failures: 1, opens: 0, openUntil: null, since: now, probe: null, ...failed })
        .onConflictDoUpdate({ target: serverHealth.identifier, set: { failures: oneMore, ...failed } })
        .returning();
    },

    trip: (identifier, until) =>
      update({ opens: 1, openUntil: until }, and(isOf(identifier), isNull(serverHealth.openUntil))),

    claimProbe: ({ identifier, token }, now, leaseEndsAt) =>
      update(
        { probe: token, openUntil: leaseEndsAt },
        and(isOf(identifier), lte(serverHealth.openUntil, now)),
      ).returning(),

    failProbe(probe, { phase, code }, { opens, until }, now) {
      const failed = { failures: oneMore, failedAt: now, phase, code };
      return update({ ...failed, opens, openUntil: until, probe: null }, isRunBy(probe));
    },

    releaseProbe: (probe, dueAt) => update({ openUntil: dueAt, probe: null }, isRunBy(probe)),

    closeByProbe: (probe) => remove(isRunBy(probe)).returning(),

    clear: (identifier) => remove(isOf(identifier)).returning(),

    clearIfClosed: (identifier) => remove(and(isOf(identifier), isNull(serverHealth.openUntil))),

    makeProbeDue: (identifier, now) =>
      update({ opens: 1, openUntil: now, probe: null }, and(isOf(identifier), isOpen)),

    recoverFromClockJump(now, latest) {
      const isDelayed = or(
        gt(serverHealth.failedAt, new Date(now.getTime() + CLOCK_TOLERANCE_MS)),
        gt(serverHealth.openUntil, latest.probe),
        and(isNotNull(serverHealth.probe), gt(serverHealth.openUntil, latest.lease)),
      );
      return update({ openUntil: now, probe: null }, and(isOpen, isDelayed));
    },
  };
}

async function listWithWaiting(read: Database["read"]) {
  const [rows, counted] = await read.batch([
    read.select().from(serverHealth),
    read
      .select({ queueName: mail.queueName, waiting: count() })
      .from(mail)
      .where(isNotNull(mail.dueAt))
      .groupBy(mail.queueName),
  ]);
  return { rows, waiting: new Map(counted.map(({ queueName, waiting }) => [queueName, waiting])) };
}

function isOf(identifier: string): SQL {
  return eq(serverHealth.identifier, identifier);
}

function isRunBy({ identifier, token }: ProbeRef): SQL | undefined {
  return and(isOf(identifier), eq(serverHealth.probe, token));
}

/**
 * The messages of a server queue that wait for their next attempt. One that is to be sent later is not due before. All
 * methods return statements for `commit`.
 */
export interface WaitingMailRepository {
  /** Makes all of them due now. */
  makeDue(queueName: string, now: Date): WriteStatement;
  /** Makes them due if the definition's circuit is open. Commit it before the statement that closes the circuit. */
  makeDueIfOpen(queueName: string, now: Date): WriteStatement;
  /** Selects the ID of one message that is not final. */
  findOne(queueName: string): RowsStatement<{ id: string }>;
}

export function createWaitingMailRepository({ write }: Database): WaitingMailRepository {
  const makeDueWhere = (queueName: string, now: Date, condition: SQL) =>
    write
      .update(mail)
      .set({ dueAt: earliestDueAt(now), recipients: recipientsDueAt(now), updatedAt: now })
      .where(sql`${mail.queueName} = ${queueName} AND ${mail.dueAt} > ${now.getTime()} AND ${mail.dueAt} < ${HOLD_MS}
        AND ${mail.lease} IS NULL AND ${earliestDueAt(now)} < ${mail.dueAt}
        AND ${condition}`);
  return {
    makeDue: (queueName, now) => makeDueWhere(queueName, now, sql`true`),

    makeDueIfOpen: (queueName, now) =>
      makeDueWhere(
        queueName,
        now,
        sql`EXISTS (SELECT 1 FROM ${serverHealth}
          WHERE ${serverHealth.identifier} = ${queueName} AND ${serverHealth.openUntil} IS NOT NULL)`,
      ),

    findOne: (queueName) =>
      write
        .select({ id: mail.id })
        .from(mail)
        .where(sql`${mail.queueName} = ${queueName} AND ${mail.dueAt} IS NOT NULL`)
        .limit(1),
  };
}

/** When a waiting recipient is due at the earliest: now, or when its message is to be sent. */
function recipientDueAt(now: Date): SQL<number> {
  return sql`max(${now.getTime()}, min(one.value ->> 'dueAt', coalesce(one.value ->> 'startsAt', 0)))`;
}

/** When the first waiting recipient of the row is due at the earliest. */
function earliestDueAt(now: Date): SQL<number> {
  return sql`(SELECT min(${recipientDueAt(now)}) FROM json_each(${mail.recipients}) AS one)`;
}

/** Makes every waiting recipient of the row due; the others have no due time. */
function recipientsDueAt(now: Date): SQL<readonly RecipientProgress[]> {
  return sql`(
    SELECT json_group_array(json(
      CASE WHEN one.value ->> 'dueAt' IS NULL THEN one.value
      ELSE json_set(one.value, '$.dueAt', ${recipientDueAt(now)}) END))
    FROM json_each(${mail.recipients}) AS one)`;
}
