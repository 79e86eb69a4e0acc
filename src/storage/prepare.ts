import { is, Param, Placeholder, type Query } from "drizzle-orm";
import type { PrepareStatement, Statement } from "./database.ts";

/** What Drizzle has of a statement when it is built. */
interface BuiltQuery {
  getQuery(): Query;
  mapResult(result: unknown, isFromBatch?: boolean): unknown;
}

/**
 * Builds a statement once, which takes longer than to run it. The values of its `sql.placeholder()`s are bound for each
 * use.
 * @throws {TypeError} from a use that lacks a value.
 */
export const prepareStatement: PrepareStatement = (statement) => {
  const built = buildQuery(statement);
  const { sql, params } = built.getQuery();
  return (values = {}) =>
    new BoundStatement(built, { sql, params: params.map((each) => bind(each, values)) });
};

/** Placeholders with the names of these columns or fields. */
export function placeholdersFor<K extends string>(names: readonly K[]): Record<K, Placeholder<K>> {
  return Object.fromEntries(names.map((name) => [name, new Placeholder(name)])) as Record<K, Placeholder<K>>;
}

/** A statement with its values, for a batch or a commit. */
class BoundStatement<S extends Statement> {
  declare readonly _: S["_"];
  readonly #built: BuiltQuery;
  readonly #query: Query;

  constructor(built: BuiltQuery, query: Query) {
    this.#built = built;
    this.#query = query;
  }

  /** What Drizzle asks each statement of a batch for. */
  _prepare(): BuiltQuery {
    return {
      getQuery: () => this.#query,
      mapResult: (result, isFromBatch) => this.#built.mapResult(result, isFromBatch),
    };
  }
}

function buildQuery(statement: object): BuiltQuery {
  const prepare =
    "prepare" in statement ? statement.prepare : "_prepare" in statement ? statement._prepare : null;
  if (typeof prepare !== "function") throw new TypeError("Only a statement of Drizzle can be prepared");
  const built: BuiltQuery = prepare.call(statement);
  // A statement in SQL text is built anew at each call.
  const query = built.getQuery();
  return { getQuery: () => query, mapResult: (...result) => built.mapResult(...result) };
}

function bind(param: unknown, values: Readonly<Record<string, unknown>>): unknown {
  if (is(param, Placeholder)) return givenValue(param, values);
  if (!is(param, Param) || !is(param.value, Placeholder)) return param;
  const value = givenValue(param.value, values);
  return value === null ? null : param.encoder.mapToDriverValue(value);
}

function givenValue({ name }: Placeholder, values: Readonly<Record<string, unknown>>): unknown {
  if (name in values && values[name] !== undefined) return values[name];
  throw new TypeError(`There is no value for the placeholder ${name}`);
}
