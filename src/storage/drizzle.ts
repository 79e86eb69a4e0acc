import type { Client, InArgs, InStatement, InValue, ResultSet } from "@libsql/client";
import { DrizzleQueryError } from "drizzle-orm/errors";
import { LibSQLDatabase } from "drizzle-orm/libsql/driver-core";
import { type LibSQLPreparedQuery, LibSQLSession } from "drizzle-orm/libsql/session";
import type { ExtractTablesWithRelations } from "drizzle-orm/relations";
import { type PreparedQueryConfig, SQLiteAsyncDialect } from "drizzle-orm/sqlite-core";

type NoSchema = Record<string, never>;

/** Runs statements as one transaction, in order, all or none. */
export type Execute = (statements: readonly InStatement[]) => Promise<readonly ResultSet[]>;

/** The function that runs the statements, for each Drizzle database created here. */
const executes = new WeakMap<LibSQLDatabase, Execute>();

/** Creates a Drizzle database that runs statements and batches by `execute`. */
export function drizzleOver(execute: Execute): LibSQLDatabase {
  const dialect = new SQLiteAsyncDialect();
  const session = new PlainErrorSession(clientOver(execute), dialect, undefined, {}, undefined);
  const database = new LibSQLDatabase("async", dialect, session, undefined);
  executes.set(database, execute);
  return database;
}

/** Returns the same database with a wrapper around `execute`, which may add statements. */
export function drizzleAround(
  database: LibSQLDatabase,
  around: (statements: readonly InStatement[], execute: Execute) => ReturnType<Execute>,
): LibSQLDatabase {
  const execute = executes.get(database);
  return execute ? drizzleOver((statements) => around(statements, execute)) : database;
}

/**
 * Rejects with the database's own error. Drizzle's error message has the values of the statement, so secrets and
 * addresses would reach the log, and it hides the code that selects the response.
 */
class PlainErrorSession extends LibSQLSession<NoSchema, ExtractTablesWithRelations<NoSchema>> {
  override prepareQuery<T extends Omit<PreparedQueryConfig, "statement" | "run">>(
    ...parameters: Parameters<LibSQLSession<NoSchema, NoSchema>["prepareQuery"]>
  ): LibSQLPreparedQuery<T> {
    const query = super.prepareQuery<T>(...parameters);
    query.run = unwrapped(query.run.bind(query));
    query.all = unwrapped(query.all.bind(query));
    query.get = unwrapped(query.get.bind(query));
    query.values = unwrapped(query.values.bind(query));
    return query;
  }
}

type Values = Record<string, unknown>;

function unwrapped<R>(execute: (values?: Values) => Promise<R>): (values?: Values) => Promise<R> {
  return async (values) => {
    try {
      return await execute(values);
    } catch (error) {
      throw error instanceof DrizzleQueryError ? error.cause : error;
    }
  };
}

function clientOver(execute: Execute): Client {
  return {
    async execute(statement: InStatement) {
      const [result] = await execute([bindable(statement)]);
      if (result === undefined) throw new TypeError("A statement has no result");
      return result;
    },
    batch: async (statements) => [...(await execute(statements.map(bindable)))],
    migrate: reject,
    transaction: reject,
    executeMultiple: reject,
    sync: reject,
    close: reject,
    reconnect: reject,
    closed: false,
    protocol: "guarded",
  };
}

/** An interactive transaction would hold the lock while its caller waits for something else. */
function reject(): never {
  throw new TypeError("Only execute and batch are allowed here");
}

function bindable(statement: InStatement | [string, InArgs?]): InStatement {
  if (typeof statement === "string") return statement;
  const [sql, args] = Array.isArray(statement) ? statement : [statement.sql, statement.args];
  return Array.isArray(args) ? { sql, args: args.map(bindableValue) } : { sql, ...(args && { args }) };
}

/** The driver binds every number as REAL, which a TEXT or untyped column stores as `1.0`. */
function bindableValue(value: InValue): InValue {
  return typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value;
}
