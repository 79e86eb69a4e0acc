import { is, Param, Placeholder, type Query } from "drizzle-orm";
import type { BoundStatement, PrepareStatement, Statement } from "../contracts/database.ts";

/** The methods that Drizzle calls on a built statement. */
interface BuiltQuery {
  getQuery(): Query;
  mapResult(result: unknown, isFromBatch?: boolean): unknown;
}

/**
 * Builds a statement once, because building takes longer than running. Each use binds the values of its
 * `sql.placeholder()`s.
 * @throws {TypeError} from a use that lacks a value, or binds a date to a placeholder without a column.
 */
export const prepareStatement: PrepareStatement = (statement) => {
  const built = buildQuery(statement);
  const { sql, params } = built.getQuery();
  return (values = {}) => {
    const given = { ...values };
    return new PreparedStatement(built, { sql, params: params.map((param) => bind(param, given)) });
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

function buildQuery(statement: object): BuiltQuery {
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
