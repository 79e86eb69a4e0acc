import { type SQL, sql } from "drizzle-orm";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import type { Database, Statement } from "../../contracts/database.ts";
import type { BackupRow, BackupTable } from "../../domain/backup.ts";
import { invalidParameter } from "../../errors.ts";
import { isRejectedStatement, reasonOf } from "../errors.ts";
import { CREATE_TABLE, recordMigration, type Step } from "../migrate.ts";
import { changedRows, holdCopied } from "../queued-mail.ts";
import type { RestorePlan } from "./plan.ts";
import { expressionOf } from "./row-values.ts";
import {
  columnList,
  dropCopies,
  listTables,
  replacedBy,
  STAGING,
  STAYS,
  type TableColumns,
} from "./tables.ts";

/** Statements of one commit. */
const ROWS_PER_COMMIT = 200;
/** Its rows are those that migrations insert. */
const COUNTERS = "epoch";

interface CountRow {
  readonly n: number;
}

/** Tables without rules that hold the rows of a backup until all of them have arrived. */
interface StagingTables {
  /**
   * Creates the tables, and drops those of an earlier restore.
   * @throws {SealpostError} `invalid_parameter` if their names do not fit each other.
   */
  create(id: string, tables: readonly BackupTable[]): Promise<void>;
  /** @throws {SealpostError} `conflict` if another restore has begun meanwhile; `invalid_parameter` if a row does not fit. */
  insert(id: string, table: BackupTable, rows: readonly BackupRow[]): Promise<void>;
  /** Returns the name of the table with the rows for a table. */
  nameOf(id: string, table: string): string;
  /** Returns whether the tables exist and have all rows. */
  isComplete(id: string, tables: readonly BackupTable[]): Promise<boolean>;
  /**
   * Replaces all tables of the instance: builds those of the backup by its own migrations, moves the rows there, then applies the other
   * migrations. One commit.
   * @param also statements after all others.
   * @returns the number of messages that are held, with the work of plugins.
   * @throws {SealpostError} as {@link insert} does.
   */
  replaceAll(
    id: string,
    tables: readonly BackupTable[],
    steps: RestorePlan & { readonly now: Date },
    also: readonly Statement[],
  ): Promise<number>;
}

/** @param dueTimes columns with due times of the work of plugins. */
export function createStagingTables(database: Database, dueTimes: readonly SQLiteColumn[]): StagingTables {
  const { read, write } = database;
  const run = (statement: SQL) => write.run(statement);
  return {
    async create(id, tables) {
      const statements = [
        ...(await dropCopies(database, STAGING)),
        // Columns without a type keep values as they are.
        ...tables.map(({ name, columns }) =>
          run(sql`CREATE TABLE ${stagingOf(id, name)} (${columnList(columns)})`),
        ),
      ];
      await database.commit(statements).catch(unfit("header", id));
    },

    async insert(id, { name }, rows) {
      const inserts = rows.map((row) =>
        run(sql`INSERT INTO ${stagingOf(id, name)} VALUES (${sql.join(row.map(expressionOf), sql`, `)})`),
      );
      for (let at = 0; at < inserts.length; at += ROWS_PER_COMMIT)
        await database.commit(inserts.slice(at, at + ROWS_PER_COMMIT)).catch(unfit("rows", id));
    },

    nameOf,

    async isComplete(id, tables) {
      for (const { name, rows } of tables) {
        const counted = await read
          .all<CountRow>(sql`SELECT count(*) AS n FROM ${stagingOf(id, name)}`)
          .catch(() => []);
        if (counted[0]?.n !== rows) return false;
      }
      return true;
    },

    async replaceAll(id, tables, { before, after, now }, also) {
      const old = (await listTables(database)).own.filter(isReplaced);
      const statements = [
        // A table that others refer to was created before them.
        ...old.toReversed().map(({ name }) => run(sql`DROP TABLE ${sql.identifier(name)}`)),
        run(CREATE_TABLE),
        ...before.flatMap((step) => applied(step, new Date(step.appliedAt))),
        ...tables.filter(({ name }) => name !== COUNTERS).flatMap((table) => moved(id, table)),
        ...after.flatMap((step) => applied(step, now)),
        // No counter that an instance has read before may come again.
        run(sql`UPDATE epoch SET n = ${now.getTime()}`),
      ];
      const holds = holdCopied(database, dueTimes);
      const drops = await dropCopies(database, STAGING);
      const results: readonly unknown[] = await database
        .commit([...statements, ...holds, ...also, ...drops])
        .catch(unfit("rows", id));
      return changedRows(results.slice(statements.length, statements.length + holds.length));
    },
  };

  function applied({ name, hash, statements }: Step, at: Date): Statement[] {
    return [run(recordMigration({ name, hash }, at)), ...statements.map((text) => run(sql.raw(text)))];
  }

  /** Also replaces the rows that migrations insert. An ID that was given is not given again. */
  function moved(id: string, { name, columns, lastId }: BackupTable): Statement[] {
    const [table, list] = [sql.identifier(name), columnList(columns)];
    return [
      run(sql`DELETE FROM ${table}`),
      run(sql`INSERT INTO ${table} (${list}) SELECT ${list} FROM ${stagingOf(id, name)} ORDER BY rowid`),
      // An empty table may have no row to update.
      ...(lastId
        ? [
            run(sql`DELETE FROM sqlite_sequence WHERE name = ${name}`),
            run(sql`INSERT INTO sqlite_sequence VALUES (${name}, ${lastId})`),
          ]
        : []),
    ];
  }
}

/**
 * Creates what handles the error of a statement with names or values of a backup.
 * @throws {SealpostError} `conflict` if another restore has begun meanwhile; `invalid_parameter` if the database rejects them.
 * @throws any other error.
 */
function unfit(parameter: "header" | "rows", id: string) {
  const otherwise = replacedBy("restore");
  return (cause: unknown): never => {
    const isReplaced = reasonOf(cause).includes(`no such table: ${STAGING}`);
    if (isReplaced || !isRejectedStatement(cause)) return otherwise(cause);
    const reason = reasonOf(cause).replaceAll(`${STAGING}${id}_`, "");
    throw invalidParameter(parameter, `rejected by the database (${reason}); use another backup`);
  };
}

/** A used nonce stays used. */
function isReplaced({ name }: TableColumns): boolean {
  return name === "migration" || !STAYS.includes(name);
}

function nameOf(id: string, table: string): string {
  return `${STAGING}${id}_${table}`;
}

function stagingOf(id: string, table: string) {
  return sql.identifier(nameOf(id, table));
}
