import type { BatchItem, BatchResponse } from "drizzle-orm/batch";
import type { LibSQLDatabase } from "drizzle-orm/libsql/driver-core";
import { resultCode } from "./failure.ts";

/** A statement that has been built and not run: a Drizzle builder, or `write.run(sql`…`)`. */
export type Statement = BatchItem<"sqlite">;

/** What the repositories work on. Values go in as parameters; no method holds a transaction open. */
export interface Database extends AsyncDisposable {
  /** Builds and runs selects: `await database.read.select()…`. Sees every commit acknowledged before the call. */
  readonly read: LibSQLDatabase;
  /** Builds inserts, updates and deletes; {@link Database.commit} and {@link Database.append} run them. */
  readonly write: LibSQLDatabase;
  /**
   * Runs statements as one atomic and durable transaction, in order: all of them or none.
   *
   * A conditional write is an `UPDATE … WHERE version = ?` followed by an `INSERT … SELECT … WHERE changes() > 0`;
   * `rowsAffected` of each result tells what happened (it is 0 for a statement with RETURNING: count its rows).
   * @returns the results in the same order, typed; an empty list runs nothing.
   * @throws {SealpostError} `database_unavailable`: nothing was written, unless a remote connection was lost.
   * @throws the driver's error for a violated constraint, see {@link isConstraintError}.
   */
  commit<const T extends readonly Statement[]>(statements: T): Promise<BatchResponse<T>>;
  /**
   * Runs one insert that depends on no other, such as an audit row; inserts that arrive together share a commit.
   * Resolves when this row is durable, and rejects when this row could not be written.
   */
  append(statement: Statement): Promise<void>;
  /** Waits for what was begun, then closes the connections. Later calls reject. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Whether a write was refused by a UNIQUE, PRIMARY KEY, NOT NULL, CHECK or FOREIGN KEY constraint. */
export function isConstraintError(error: unknown): boolean {
  return resultCode(error) === "SQLITE_CONSTRAINT";
}
