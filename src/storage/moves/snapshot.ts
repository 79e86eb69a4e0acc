import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../../contracts/database.ts";
import type { AppliedMigration, BackupPage, BackupTable } from "../../domain/backup.ts";
import { readRow, selectExactly } from "./row-values.ts";
import { assertOwn, columnList, dropCopies, listTables, replacedBy, SNAPSHOT, STAYS } from "./tables.ts";

/** Bounds of one page. A row has up to 2 MB. */
const PAGE_ROWS = 500;
const PAGE_OCTETS = 1_000_000;
/** Name of the column with the length of a row in octets. */
const SIZE = sql.identifier("sealpost_size");

type CountRow = Pick<BackupTable, "rows" | "lastId">;

/** A consistent copy of all tables, in tables of its own, because no transaction stays open between two pages. */
interface Snapshots {
  /**
   * Creates the copy, in one commit, and drops an earlier one.
   * @returns `null` if the database has no tables.
   * @throws {SealpostError} `conflict` if it has tables that no migration creates.
   */
  create(
    id: string,
  ): Promise<{ readonly migrations: AppliedMigration[]; readonly tables: BackupTable[] } | null>;
  /** @param start the number of rows before the page. @throws {SealpostError} `conflict` if the copy was dropped. */
  page(id: string, table: BackupTable, start: number): Promise<BackupPage>;
  /** Drops this copy, and no other. */
  drop(id: string): Promise<void>;
}

export function createSnapshots(database: Database): Snapshots {
  const { read, write } = database;
  return {
    async create(id) {
      const { own, foreign } = await listTables(database);
      if (!own.some(({ name }) => name === "migration")) return null;
      assertOwn(foreign);
      const tables = own.filter(({ name }) => !STAYS.includes(name));
      const copies = tables.map(({ name, columns }) =>
        write.run(sql`CREATE TABLE ${copyOf(id, name)} AS
          SELECT ${columnList(columns)}, ${lengthOf(columns)} AS ${SIZE} FROM ${sql.identifier(name)}`),
      );
      const counts = tables.map(({ name }) =>
        write.all<CountRow>(sql`SELECT count(*) AS rows,
          (SELECT seq FROM sqlite_sequence WHERE name = ${name}) AS lastId FROM ${copyOf(id, name)}`),
      );
      const migrations = write.all<AppliedMigration>(
        sql`SELECT name, hash, applied_at AS appliedAt FROM migration ORDER BY applied_at, name`,
      );
      const outdated = await dropCopies(database, SNAPSHOT);
      const results: readonly unknown[] = await database.commit([
        ...outdated,
        ...copies,
        ...counts,
        migrations,
      ]);
      const counted = results.slice(outdated.length + copies.length) as readonly (readonly CountRow[])[];
      return {
        tables: tables.map((table, index) => ({ rows: 0, ...table, ...counted[index]?.[0] })),
        migrations: results.at(-1) as AppliedMigration[],
      };
    },

    async page(id, { name, columns }, start) {
      const copy = copyOf(id, name);
      const rows = await read
        .all<Readonly<Record<string, unknown>>>(sql`
          SELECT ${selectExactly(columns)} FROM ${copy} WHERE rowid > ${start} AND rowid <= (
            SELECT max(n) FROM (
              SELECT rowid AS n, sum(${SIZE}) OVER (ORDER BY rowid) AS total FROM ${copy}
              WHERE rowid > ${start} ORDER BY rowid LIMIT ${PAGE_ROWS}
            ) WHERE total <= ${PAGE_OCTETS} OR n = ${start + 1}
          ) ORDER BY rowid`)
        .catch(replacedBy("backup"));
      return {
        rows: rows.map((row) => readRow(row, columns)),
        next: rows.length === 0 ? null : start + rows.length,
      };
    },

    async drop(id) {
      await database.commit(await dropCopies(database, prefixOf(id)));
    },
  };
}

function copyOf(id: string, table: string) {
  return sql.identifier(`${prefixOf(id)}${table}`);
}

function prefixOf(id: string): string {
  return `${SNAPSHOT}${id}_`;
}

function lengthOf(columns: readonly string[]): SQL {
  // The length of a text ends at its first NUL.
  const lengths = columns.map((name) => sql`coalesce(length(CAST(${sql.identifier(name)} AS BLOB)), 0)`);
  return sql.join(lengths, sql` + `);
}
