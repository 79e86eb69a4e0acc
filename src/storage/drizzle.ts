import type { Client, InArgs, InStatement, InValue } from "@libsql/client";
import { DrizzleQueryError } from "drizzle-orm/errors";
import { LibSQLDatabase } from "drizzle-orm/libsql/driver-core";
import { type LibSQLPreparedQuery, LibSQLSession } from "drizzle-orm/libsql/session";
import type { ExtractTablesWithRelations } from "drizzle-orm/relations";
import { type PreparedQueryConfig, SQLiteAsyncDialect } from "drizzle-orm/sqlite-core";
import type { Connection } from "./guard.ts";

type NoSchema = Record<string, never>;

/** Drizzle over a connection; a batch made with it is one transaction of the given mode. */
export function drizzleOver(connection: Connection, mode: "read" | "write"): LibSQLDatabase {
  const dialect = new SQLiteAsyncDialect();
  const session = new PlainErrorSession(clientOver(connection, mode), dialect, undefined, {}, undefined);
  return new LibSQLDatabase("async", dialect, session, undefined);
}

/**
 * Rejects with the database's own error. Drizzle's has the statement's values in its message, which would
 * bring stored secrets and addresses into the log, and hides the code that says what to answer.
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

function clientOver(connection: Connection, mode: "read" | "write"): Client {
  return {
    execute: (statement: InStatement) => {
      const ready = bindable(statement);
      return connection.run((client) => client.execute(ready));
    },
    batch: (statements) => {
      const ready = statements.map(bindable);
      const [only, ...others] = ready;
      // One statement is a transaction by itself, without the steps of a batch.
      if (only !== undefined && others.length === 0) {
        return connection.run(async (client) => [await client.execute(only)]);
      }
      return connection.run((client) => client.batch(ready, mode));
    },
    migrate: refuse,
    transaction: refuse,
    executeMultiple: refuse,
    sync: refuse,
    close: refuse,
    reconnect: refuse,
    closed: false,
    protocol: "guarded",
  };
}

/** An interactive transaction would hold the lock while its caller waits for something else. */
function refuse(): never {
  throw new TypeError("Only execute and batch are allowed here");
}

function bindable(statement: InStatement | [string, InArgs?]): InStatement {
  if (typeof statement === "string") return statement;
  const [sql, args] = Array.isArray(statement) ? statement : [statement.sql, statement.args];
  return Array.isArray(args) ? { sql, args: args.map(bindableValue) } : { sql, ...(args && { args }) };
}

/** The driver binds every number as REAL, which a TEXT column or a column without a type keeps as `1.0`. */
function bindableValue(value: InValue): InValue {
  return typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value;
}
