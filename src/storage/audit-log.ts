import { and, asc, count as countRows, desc, eq, gte, lt, type SQL, sql } from "drizzle-orm";
import type { Database } from "../contracts/database.ts";
import type { AuditEntry, AuditQuery, AuditTextColumn, StoredAuditEntry } from "../domain/audit.ts";
import { placeholdersFor } from "./prepare.ts";
import { audit } from "./schema.ts";

export type AuditRepository = ReturnType<typeof createAuditRepository>;

/** Fields of an entry, which are the columns of the same names. */
const FIELDS = [
  ...["date", "action", "success", "administrator", "realm", "client", "identifier", "recipient"],
  ...["fields", "outcome", "phase", "info", "policies", "requestId"],
] as const satisfies readonly (keyof AuditEntry)[];

/** The audit log. What writes is an unexecuted statement for `commit` or `append`. */
export function createAuditRepository({ read, write, prepare }: Database) {
  const entry = placeholdersFor(FIELDS);
  const shared = { ...entry, ...placeholdersFor(["shareKey"]) };
  const insert = prepare(write.insert(audit).values(entry));
  const insertIfChanged = prepare(
    write.run(sql`
      INSERT INTO audit (${sql.raw(FIELDS.map((field) => audit[field].name).join(", "))})
      SELECT ${sql.join(
        FIELDS.map((field) => sql.param(entry[field], audit[field])),
        sql`, `,
      )}
      WHERE changes() > 0`),
  );
  const count = prepare(
    write
      .insert(audit)
      .values(shared)
      .onConflictDoUpdate({ target: audit.shareKey, set: { count: sql`${audit.count} + 1` } }),
  );
  return {
    insert: (entry: AuditEntry) => insert(entry),

    /** Adds nothing if the statement before it in the commit changed no row. */
    insertIfChanged: (entry: AuditEntry) => insertIfChanged(entry),

    /** Adds the row where a condition holds; some fields may be decided by the commit. */
    insertWhere(entry: AuditEntry, where: SQL, decided: Readonly<Partial<Record<keyof AuditEntry, SQL>>>) {
      const values = FIELDS.map((field) => decided[field] ?? sql`${sql.param(entry[field], audit[field])}`);
      return write.run(sql`
        INSERT INTO audit (${sql.raw(FIELDS.map((field) => audit[field].name).join(", "))})
        SELECT ${sql.join(values, sql`, `)} WHERE ${where}`);
    },

    /** Adds one to the row of this share key, or makes it. */
    count: (entry: AuditEntry, shareKey: string) => count({ ...entry, shareKey }),

    /** One page, and how many rows match in all. */
    async page(query: AuditQuery): Promise<{ entries: StoredAuditEntry[]; total: number }> {
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

    /** Deletes what is older. */
    prune(before: Date) {
      return write.delete(audit).where(lt(audit.date, before));
    },
  };
}

function conditions({ filters, success, since }: AuditQuery): SQL[] {
  const found = Object.entries(filters).map(([column, pattern]) => {
    return sql`${audit[column as AuditTextColumn]} LIKE ${likePattern(pattern)} ESCAPE '\\'`;
  });
  if (success !== undefined) found.push(eq(audit.success, success));
  if (since !== undefined) found.push(gte(audit.date, since));
  return found;
}

function likePattern(pattern: string): string {
  return pattern.replace(/[\\%_]/g, "\\$&").replaceAll("*", "%");
}
