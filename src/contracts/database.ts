import type { ResultSet } from "@libsql/client";
import type { Query } from "drizzle-orm";
import type { BatchItem, BatchResponse } from "drizzle-orm/batch";
import type { LibSQLDatabase } from "drizzle-orm/libsql/driver-core";
import type { RunnableQuery } from "drizzle-orm/runnable-query";

/** A statement that is built but not run: a Drizzle builder, or `write.run(sql`…`)`. */
export type Statement = BatchItem<"sqlite">;

/** A statement with a result of this type. */
type StatementOf<Result> = RunnableQuery<Result, "sqlite">;
/** A statement that returns rows: a select, or a write with RETURNING. */
export type RowsStatement<Row> = StatementOf<Row[]>;
/** A select that can be awaited or be part of a batch. */
export type SelectStatement<Row> = RowsStatement<Row> & PromiseLike<readonly Row[]>;
/** A statement that changes rows: `rowsAffected` of its result counts them. */
export type WriteStatement = StatementOf<ResultSet>;

/** A prepared statement with bound values. */
export interface BoundStatement<S extends Statement> {
  readonly _: S["_"];
  getQuery(): Query;
}

/** Prepares a statement. Each call binds the values of its placeholders and returns a statement to run. */
export type PrepareStatement = <S extends Statement>(
  build: () => S,
) => (values?: object) => BoundStatement<S>;

/** `local`: in this process or in a file of its machine; `remote`: every operation is a round trip on a network. */
export type DatabaseKind = "local" | "remote";

export interface CommitOptions {
  /** Whether it runs before the commits that wait in this process. For changes that other processes need soon, such as a lease. */
  readonly isUrgent?: boolean;
  /** Whether it may take longer, if the process can do other work meanwhile. For a commit of hundreds of rows. */
  readonly isBackground?: boolean;
}

/**
 * The limits of a statement that every database takes. The narrowest are those of SQLite in a Durable Object; the
 * database in memory of `testSealpost()` holds them, so that a test shows a statement that exceeds one.
 */
export const STATEMENT_LIMITS = {
  /** Bound values: pass a longer list as JSON, see `isOneOf`. */
  parameters: 100,
  /** Selects that one UNION, EXCEPT or INTERSECT joins. */
  compoundTerms: 5,
  functionArguments: 32,
  /** Bytes of the pattern of LIKE or GLOB: use `matchesPattern`. */
  patternBytes: 50,
  /** Bytes of one row, and so of the values of one statement. */
  rowBytes: 2_000_000,
} as const;

/** The database. Values are always parameters, and no method holds a transaction open. See {@link STATEMENT_LIMITS}. */
export interface Database extends AsyncDisposable {
  readonly kind: DatabaseKind;
  /** Builds and runs selects: `await database.read.select()…`. Sees every commit acknowledged before the call. */
  readonly read: LibSQLDatabase;
  /** Builds inserts, updates and deletes; {@link Database.commit} and {@link Database.append} run them. */
  readonly write: LibSQLDatabase;
  /**
   * Runs statements atomically and durably, in order: all of them or none. Commits that arrive together share a
   * transaction, in order of arrival. Each has its own results, and one that fails does not fail the others.
   *
   * A conditional write is an `UPDATE … WHERE version = ?` followed by an `INSERT … SELECT … WHERE changes() > 0`;
   * `rowsAffected` of each result counts the changed rows (with RETURNING it is 0: count the returned rows).
   * @returns the results in the same order, typed; an empty list runs nothing.
   * @throws {SealpostError} `database_unavailable`; nothing was written, unless a remote connection was lost.
   * @throws {TypeError} for `changes()` before the first write, where it would depend on another commit.
   * @throws the driver's error for a violated constraint, see `isConstraintError`.
   */
  commit<const T extends readonly Statement[]>(
    statements: T,
    options?: CommitOptions,
  ): Promise<BatchResponse<T>>;
  /**
   * Like {@link Database.commit}, but without results. For independent statements, such as the insert of an audit row.
   */
  append(...statements: readonly Statement[]): Promise<void>;
  /**
   * Prepares a statement with `sql.placeholder()` for its values, because building takes longer than running. The first
   * call builds it. Each call binds values and returns a statement for `commit`, `append` or `read.batch`.
   * @example
   * ```ts
   * const remove = prepare(() => write.delete(item).where(eq(item.id, sql.placeholder("id"))));
   * await commit([remove({ id: "1" })]);
   * ```
   */
  readonly prepare: PrepareStatement;
  /**
   * Returns a mark of the state of a database file, without a statement. As long as it is the same, no one has committed.
   * `null` if the state is unknown and has to be read.
   */
  readonly changeMark?: () => string | null;
  /** Returns how often an operation found the database locked by another process, or its server too busy. */
  readonly busyCount?: () => number;
  /** Waits for running operations, then closes the connections. Later calls reject. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A table that rarely changes. All of its rows are kept in memory, and each use first checks in the database that they are
 * current. Data that changes by use, such as counters, belongs in another table.
 */
export interface KeptTable<Row> {
  /** Name of the table in SQL. */
  readonly name: string;
  /** Selects all rows, in the order in which they are used. */
  readonly select: (read: Database["read"]) => Statement & PromiseLike<readonly Row[]>;
}

/** One change of the database schema. */
export interface Migration {
  /** Unique and stable, such as `0001_core`. */
  readonly name: string;
  /** SQL statements with a `--> statement-breakpoint` line between any two. */
  readonly sql: string;
}
