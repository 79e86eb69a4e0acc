import type { ResultSet } from "@libsql/client";
import { and, asc, count as countRows, desc, eq, gte, lt, type SQL, sql } from "drizzle-orm";
import type { Database, Statement, WriteStatement } from "../contracts/database.ts";
import type { AuditEntry, AuditQuery, AuditTextColumn, StoredAuditEntry } from "../domain/audit.ts";
import type { Meter } from "../telemetry/meter.ts";
import { matchesPattern } from "./conditions.ts";
import { placeholdersFor, prepareStatement, STATEMENTS } from "./drizzle.ts";
import { audit } from "./schema.ts";
import { isInSlice } from "./slices.ts";

/** The audit log. Writes are unexecuted statements for `commit` or `append`. */
export interface AuditRepository {
  insert(entry: AuditEntry): WriteStatement;
  /** Inserts nothing if the previous statement of the commit changed no row. */
  insertIfChanged(entry: AuditEntry): WriteStatement;
  /**
   * Prepares the insert of a row if a condition holds. The commit may compute some of the fields.
   * @throws {TypeError} on a call with a value that has the name of a field.
   */
  prepareInsert(
    where: SQL,
    computed: Readonly<Partial<Record<keyof AuditEntry, SQL>>>,
  ): (entry: AuditEntry, values: object) => WriteStatement;
  /** Inserts a row with this share key, or adds one to its count. */
  count(entry: AuditEntry, shareKey: string): WriteStatement;
  /** Returns one page, and how many rows match in all. */
  page(query: AuditQuery): Promise<{ entries: StoredAuditEntry[]; total: number }>;
  /** Deletes a slice of the older rows. */
  prune(before: Date): WriteStatement;
}

/** Fields of an entry; the columns have the same names. */
const FIELDS = [
  "date",
  "action",
  "success",
  "administrator",
  "realm",
  "client",
  "identifier",
  "recipient",
  "fields",
  "outcome",
  "phase",
  "info",
  "policies",
  "requestId",
] as const satisfies readonly (keyof AuditEntry)[];
const INSERT_FIELDS = sql`INSERT INTO audit (${sql.raw(FIELDS.map((field) => audit[field].name).join(", "))})`;

const PLACEHOLDERS = placeholdersFor(FIELDS);
const insert = prepareStatement(() => STATEMENTS.insert(audit).values(PLACEHOLDERS));
const insertIfChanged = prepareAuditInsert(sql`changes() > 0`, {});
const count = prepareStatement(() =>
  STATEMENTS.insert(audit)
    .values({ ...PLACEHOLDERS, ...placeholdersFor(["shareKey"]) })
    .onConflictDoUpdate({ target: audit.shareKey, set: { count: sql`${audit.count} + 1` } }),
);

/** Prepares the insert of a row if a condition holds. {@link countAudit} counts it once it is committed. */
export function prepareAuditInsert(
  where: SQL,
  computed: Readonly<Partial<Record<keyof AuditEntry, SQL>>>,
): (values: object) => WriteStatement {
  return prepareStatement(() => {
    const values = FIELDS.map((field) => computed[field] ?? sql.param(PLACEHOLDERS[field], audit[field]));
    return STATEMENTS.run(sql`${INSERT_FIELDS} SELECT ${sql.join(values, sql`, `)} WHERE ${where}`);
  });
}

export function countAudit({ action, success }: AuditEntry, meter: Meter): void {
  meter.count("sealpost_audit_total", { action, success: String(success) });
}

/** The entries of statements that may be committed. */
const ENTRIES = new WeakMap<Statement, AuditEntry>();

/**
 * Creates what counts the events that a commit has recorded. The results are absent if each of its statements has changed a
 * row.
 */
export function createAuditCounter(meter: Meter) {
  return (statements: readonly Statement[], results?: readonly unknown[]): void => {
    for (const [index, statement] of statements.entries()) {
      const entry = ENTRIES.get(statement);
      const result = results?.[index] as ResultSet | undefined;
      if (entry !== undefined && result?.rowsAffected !== 0) countAudit(entry, meter);
    }
  };
}

export function createAuditRepository({ read, write }: Database): AuditRepository {
  const recording = (statement: WriteStatement, entry: AuditEntry): WriteStatement => {
    ENTRIES.set(statement, entry);
    return statement;
  };
  return {
    insert: (entry) => recording(insert(entry), entry),

    insertIfChanged: (entry) => recording(insertIfChanged(entry), entry),

    prepareInsert(where, computed) {
      const insertWhere = prepareAuditInsert(where, computed);
      return (entry, values) => {
        const taken = Object.keys(values).find((name) => name in entry);
        if (taken) throw new TypeError(`The placeholder "${taken}" is a field of the audit row: rename it`);
        return recording(insertWhere({ ...values, ...entry }), entry);
      };
    },

    count: (entry, shareKey) => recording(count({ ...entry, shareKey }), entry),

    async page(query) {
      const where = and(...conditions(query));
      const order = query.descending ? desc : asc;
      const [[totals], rows] = await read.batch([
        read.select({ total: countRows() }).from(audit).where(where),
        read
          .select()
          .from(audit)
          .where(where)
          .orderBy(order(audit[query.sort]), order(audit.number))
          .limit(query.pageSize)
          .offset((query.page - 1) * query.pageSize),
      ]);
      return { total: totals?.total ?? 0, entries: rows.map(({ shareKey: _, ...entry }) => entry) };
    },

    prune: (before) => write.delete(audit).where(isInSlice(audit, lt(audit.date, before))),
  };
}

function conditions({ filters, success, since }: AuditQuery): SQL[] {
  const found = Object.entries(filters).map(([column, pattern]) => {
    return matchesPattern(audit[column as AuditTextColumn], pattern);
  });
  if (success !== undefined) found.push(eq(audit.success, success));
  if (since !== undefined) found.push(gte(audit.date, since));
  return found;
}
