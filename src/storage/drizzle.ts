import type { Client, InArgs, InStatement, InValue, ResultSet, Row } from "@libsql/client";
import { Column, is, Param, Placeholder, type Query } from "drizzle-orm";
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
    if (parameters[1] !== undefined) mapCells(query, columnsOf(parameters[1]));
    Object.assign(query, { queryWithCache: runPlainly });
    return query;
  }
}

/** Makes a query with fields map the cells of rows. @param columns its columns if it is a flat selection. */
function mapCells<T extends Omit<PreparedQueryConfig, "statement" | "run">>(
  query: LibSQLPreparedQuery<T>,
  columns: readonly NamedColumn[] | null,
): void {
  const mapAll = query.mapAllResult.bind(query);
  query.mapAllResult = (result, isFromBatch) => {
    const rows = (isFromBatch ? (result as ResultSet).rows : result) as ResultSet["rows"];
    const cells = rows.map(cellsOf);
    return columns === null ? mapAll(cells) : cells.map((row) => toObject(columns, row));
  };
}

interface NamedColumn {
  readonly name: string;
  readonly column: Column;
}

/** Returns the columns of a flat selection; `null` for any other, which Drizzle maps itself. */
function columnsOf(fields: SelectedFieldsOrdered): readonly NamedColumn[] | null {
  const columns: NamedColumn[] = [];
  for (const { path, field } of fields) {
    const [name] = path;
    if (name === undefined || path.length > 1 || !is(field, Column)) return null;
    columns.push({ name, column: field });
  }
  return columns;
}

/** The cells of rows that are proxies. Reading them all from the proxy takes twice as long. */
const CELLS = new WeakMap<object, readonly unknown[]>();

const ROW: Row = { length: 0 };

/** Returns the index of each column by its name. */
export type Indexes = () => ReadonlyMap<PropertyKey, number>;

/**
 * Returns the indexes of columns, which are found when they are needed: most rows are read by position. Of columns with
 * the same name, the first counts.
 */
export function indexesOf(columns: readonly string[]): Indexes {
  let indexes: Map<string, number> | null = null;
  return () => {
    if (indexes !== null) return indexes;
    indexes = new Map();
    for (const [index, name] of columns.entries()) if (!indexes.has(name)) indexes.set(name, index);
    return indexes;
  };
}

/**
 * Creates a row with these cells. As in libSQL's rows, they are read by position and by name, and only the names are
 * enumerable. Copying hundreds of rows with all of their names would take longer than to select them.
 */
export function createRow(indexes: Indexes, cells: readonly unknown[]): Row {
  const row = new Proxy<Row>(ROW, new RowReader(indexes, cells));
  CELLS.set(row, cells);
  return row;
}

/** Returns the cells of a row of any driver. */
function cellsOf(row: Row): ArrayLike<unknown> {
  return CELLS.get(row) ?? row;
}

class RowReader implements ProxyHandler<Row> {
  readonly #indexes: Indexes;
  readonly #cells: readonly unknown[];

  constructor(indexes: Indexes, cells: readonly unknown[]) {
    this.#indexes = indexes;
    this.#cells = cells;
  }

  get(_: Row, key: PropertyKey): unknown {
    const index = this.#indexes().get(key);
    return index === undefined ? Reflect.get(this.#cells, key) : this.#cells[index];
  }

  has(_: Row, key: PropertyKey): boolean {
    return this.#indexes().has(key) || Reflect.has(this.#cells, key);
  }

  ownKeys(): string[] {
    return [...this.#indexes().keys()].map(String);
  }

  getOwnPropertyDescriptor(_: Row, key: PropertyKey): PropertyDescriptor | undefined {
    const index = this.#indexes().get(key);
    if (index === undefined) return;
    return { value: this.#cells[index], enumerable: true, configurable: true, writable: true };
  }
}

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

/** Takes the place of the method that looks a query up in Drizzle's cache, which is not used here, and wraps its error. */
function runPlainly<R>(_sql: string, _values: unknown, run: () => Promise<R>): Promise<R> {
  return run();
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
    readonly params: readonly Bind[];
  } | null = null;
  return (values = {}) => {
    if (built === null) {
      const query = prepared(build());
      // Kept, because `run()` of Drizzle builds its text at each call.
      const { sql, params } = query.getQuery();
      built = { query, sql, params: params.map(binderOf) };
    }
    const { query, sql, params } = built;
    const given = values as Values;
    return new PreparedStatement(query, { sql, params: params.map((bind) => bind(given)) });
  };
};

/**
 * Builds statements of no database, for {@link prepareStatement}. Prepared outside of an instance, a statement is built
 * once for all instances of a process, and for all objects that an isolate creates one after the other.
 */
export const STATEMENTS = drizzleOver(reject);

/** Prepares the statement of each key once. */
export function prepareFor<K extends object, S extends Statement>(
  build: (key: K) => S,
): (key: K) => BoundStatement<S> {
  const prepared = new WeakMap<K, () => BoundStatement<S>>();
  return (key) => {
    const statement = prepared.get(key) ?? prepareStatement(() => build(key));
    prepared.set(key, statement);
    return statement();
  };
}

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

/** Returns the value of a parameter, for the values of one use. */
type Bind = (values: Values) => unknown;

/** Looks at a parameter once, which takes longer than to bind it. */
function binderOf(param: unknown): Bind {
  if (is(param, Placeholder)) return (values) => plainValue(param, values);
  if (!is(param, Param) || !is(param.value, Placeholder)) return () => param;
  const { encoder, value: placeholder } = param;
  return (values) => {
    const value = givenValue(placeholder, values);
    return value === null ? null : encoder.mapToDriverValue(value);
  };
}

/** A comparison with a placeholder does not know the column that defines how a date is stored. */
function plainValue(placeholder: Placeholder, values: Values): unknown {
  const value = givenValue(placeholder, values);
  if (!(value instanceof Date)) return value;
  throw new TypeError(`A date needs sql.param(sql.placeholder("${placeholder.name}"), column)`);
}

function givenValue({ name }: Placeholder, values: Values): unknown {
  const value = values[name];
  if (value !== undefined) return value;
  throw new TypeError(`The placeholder ${name} has no value`);
}
