import type { Client, InArgs, InStatement, InValue, ResultSet } from "@libsql/client";
import { Column, is, Param, Placeholder, type Query } from "drizzle-orm";
import { DrizzleQueryError } from "drizzle-orm/errors";
import { LibSQLDatabase } from "drizzle-orm/libsql/driver-core";
import { type LibSQLPreparedQuery, LibSQLSession } from "drizzle-orm/libsql/session";
import type { ExtractTablesWithRelations } from "drizzle-orm/relations";
import {
  type PreparedQueryConfig,
  type SelectedFieldsOrdered,
  SQLiteAsyncDialect,
} from "drizzle-orm/sqlite-core";
import type { BoundStatement, PrepareStatement, Statement } from "../contracts/database.ts";

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
    const columns = columnsOf(parameters[1]);
    if (columns !== null)
      query.mapAllResult = (result, isFromBatch) => {
        const rows = (isFromBatch ? (result as ResultSet).rows : result) as ResultSet["rows"];
        return rows.map((row) => toObject(columns, CELLS.get(row) ?? row));
      };
    query.run = unwrapped(query.run.bind(query));
    query.all = unwrapped(query.all.bind(query));
    query.get = unwrapped(query.get.bind(query));
    query.values = unwrapped(query.values.bind(query));
    return query;
  }
}

interface NamedColumn {
  readonly name: string;
  readonly column: Column;
}

/** Returns the columns of a flat selection; `null` for any other, which Drizzle maps itself. */
function columnsOf(fields: SelectedFieldsOrdered | undefined): readonly NamedColumn[] | null {
  if (fields === undefined) return null;
  const columns: NamedColumn[] = [];
  for (const { path, field } of fields) {
    const [name] = path;
    if (name === undefined || path.length > 1 || !is(field, Column)) return null;
    columns.push({ name, column: field });
  }
  return columns;
}

/** The cells of rows that are proxies. Reading them all from the proxy takes twice as long. */
export const CELLS = new WeakMap<object, readonly unknown[]>();

/** Does what Drizzle does for a row of columns, which it looks at once more for every cell. */
function toObject(
  columns: readonly NamedColumn[],
  cells: ArrayLike<unknown>,
): Readonly<Record<string, unknown>> {
  const values: Record<string, unknown> = {};
  for (const [index, { name, column }] of columns.entries()) {
    const cell = cells[index];
    const value = cell instanceof ArrayBuffer ? Buffer.from(cell) : cell;
    values[name] = value === null ? null : column.mapFromDriverValue(value);
  }
  return values;
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

/** The methods that Drizzle calls on a built statement. */
interface BuiltQuery {
  getQuery(): Query;
  mapResult(result: unknown, isFromBatch?: boolean): unknown;
}

/**
 * Builds a statement once, at its first use, because building takes longer than running. An instance has a hundred, and
 * a cold start would wait for all of them. Each use binds the values of its `sql.placeholder()`s.
 * @throws {TypeError} for a statement in place of the function that builds it.
 * @throws {TypeError} from a use that lacks a value, or binds a date to a placeholder without a column.
 */
export const prepareStatement: PrepareStatement = (build) => {
  // A plugin in JavaScript may still pass the statement, which would only fail at its first use.
  if (typeof build !== "function")
    throw new TypeError("prepare() takes a function that builds the statement");
  let built: {
    readonly query: BuiltQuery;
    readonly sql: string;
    readonly params: readonly unknown[];
  } | null = null;
  return (values = {}) => {
    if (built === null) {
      const query = prepared(build());
      // Kept, because `run()` of Drizzle builds its text at each call.
      built = { query, ...query.getQuery() };
    }
    const { query, sql, params } = built;
    const given = { ...values };
    return new PreparedStatement(query, { sql, params: params.map((param) => bind(param, given)) });
  };
};

/** Placeholders with the names of these columns or fields. */
export function placeholdersFor<K extends string>(names: readonly K[]): Record<K, Placeholder<K>> {
  return Object.fromEntries(names.map((name) => [name, new Placeholder(name)])) as Record<K, Placeholder<K>>;
}

/** A statement with values, for a batch or a commit. */
class PreparedStatement<S extends Statement> implements BoundStatement<S>, BuiltQuery {
  declare readonly _: S["_"];
  readonly #built: BuiltQuery;
  readonly #query: Query;

  constructor(built: BuiltQuery, query: Query) {
    this.#built = built;
    this.#query = query;
  }

  getQuery(): Query {
    return this.#query;
  }

  mapResult(result: unknown, isFromBatch?: boolean): unknown {
    return this.#built.mapResult(result, isFromBatch);
  }

  /** Drizzle calls this for each statement of a batch. */
  _prepare(): this {
    return this;
  }
}

function prepared(statement: object): BuiltQuery {
  const prepare =
    "prepare" in statement ? statement.prepare : "_prepare" in statement ? statement._prepare : null;
  if (typeof prepare !== "function") throw new TypeError("Only a statement of Drizzle can be prepared");
  return prepare.call(statement);
}

function bind(param: unknown, values: Readonly<Record<string, unknown>>): unknown {
  if (is(param, Placeholder)) return plainValue(param, values);
  if (!is(param, Param) || !is(param.value, Placeholder)) return param;
  const value = givenValue(param.value, values);
  return value === null ? null : param.encoder.mapToDriverValue(value);
}

/** A comparison with a placeholder does not know the column that defines how a date is stored. */
function plainValue(placeholder: Placeholder, values: Readonly<Record<string, unknown>>): unknown {
  const value = givenValue(placeholder, values);
  if (!(value instanceof Date)) return value;
  throw new TypeError(`A date needs sql.param(sql.placeholder("${placeholder.name}"), column)`);
}

function givenValue({ name }: Placeholder, values: Readonly<Record<string, unknown>>): unknown {
  if (name in values && values[name] !== undefined) return values[name];
  throw new TypeError(`The placeholder ${name} has no value`);
}
