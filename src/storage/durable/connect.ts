import type { InStatement, InValue, ResultSet } from "@libsql/client";
import type { Database } from "../../contracts/database.ts";
import { BoundedCache } from "../../domain/cache.ts";
import { createRow, indexesOf } from "../drizzle.ts";
import { closedError, localError, withResultCode } from "../errors.ts";
import {
  type Connection,
  type Connections,
  LibsqlDatabase,
  type StatementClient,
} from "../libsql-database.ts";

/** The part of a Durable Object's storage that a database needs. */
interface ObjectStorage {
  readonly sql: {
    exec(
      sql: string,
      ...bindings: unknown[]
    ): { readonly columnNames: string[]; readonly rowsWritten: number; raw(): Iterable<readonly unknown[]> };
  };
  /** Runs the work as one transaction, which an exception rolls back. */
  transactionSync<T>(work: () => T): T;
}

type OnCommit = (statements: readonly string[]) => void;

/**
 * No lock is ever waited for, so this only bounds how long a shared transaction keeps the thread. A commit waits for no
 * tick of the event loop: it would get none while the object starts, and the start would wait for that commit.
 */
const GROUP_COMMIT = { maxStatements: 500, maxWaitMs: 5_000, maxTicks: 0 };

/** Texts, names in quotes and comments, in which a question mark is no parameter; and parameters. */
const PIECES = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|--[^\n]*|\/\*[\s\S]*?\*\/|\?/g;
/** No statement contains it. */
const PARAMETER = "\0";
const COMMENT = /^(?:--|\/\*)/;
/** The parts of the latest texts. Every object of an isolate runs the same statements. */
const PARTS = new BoundedCache<readonly string[]>(200);
const READ = /^\s*(?:SELECT|VALUES|PRAGMA|EXPLAIN)\b/i;

/**
 * Opens the database inside a Durable Object. It has one thread and no other user, so nothing waits for a lock. A commit
 * resolves before it is durable, but no response and no byte on a socket leaves the object until it is.
 * @param onCommit called with the texts of the statements that may have changed rows, at the end of their transaction.
 * @example
 * ```ts
 * class Store extends DurableObject {
 *   readonly database = openObjectDatabase(this.ctx.storage);
 * }
 * ```
 */
export function openObjectDatabase(storage: ObjectStorage, onCommit?: OnCommit): Database {
  return new LibsqlDatabase(connectObject(storage, onCommit));
}

/** Connects to the database inside a Durable Object. */
export function connectObject(storage: ObjectStorage, onCommit: OnCommit = () => undefined): Connections {
  let isClosed = false;
  /** Changes with every commit, as the object is the only one. */
  let changes = 0;
  const finish = (statements: readonly InStatement[], results: readonly ResultSet[]) => {
    const all = statements.map((statement, at) => ({ sql: textOf(statement), result: results[at] }));
    const writes = all.filter(({ sql }) => !READ.test(sql));
    if (writes.length > 0) changes++;
    // Rows that a statement returns may be those that it has changed.
    const effective = writes.filter(({ result }) => result?.rowsAffected !== 0 || result.rows.length > 0);
    if (effective.length > 0) onCommit(effective.map(({ sql }) => sql));
  };
  const commit = (statements: readonly InStatement[]) =>
    storage.transactionSync(() => {
      const results = statements.map((statement, index) => {
        try {
          return execute(storage, statement);
        } catch (error) {
          throw error instanceof Error ? Object.assign(error, { statementIndex: index }) : error;
        }
      });
      // Last, because a statement that fails undoes the others.
      finish(statements, results);
      return results;
    });
  const client: StatementClient = {
    async execute(statement: InStatement) {
      const result = execute(storage, statement);
      finish([statement], [result]);
      return result;
    },
    batch: async (statements) =>
      commit(
        statements.map((statement) =>
          Array.isArray(statement) ? { sql: statement[0], args: statement[1] ?? [] } : statement,
        ),
      ),
  };
  const connection: Connection = {
    async run(operation) {
      if (isClosed) throw closedError();
      try {
        return await operation(client);
      } catch (error) {
        throw localError(withResultCode(error));
      }
    },
    changeMark: () => String(changes),
    async close() {
      isClosed = true;
    },
  };
  return { kind: "local", reader: connection, writer: connection, groupCommit: GROUP_COMMIT };
}

function textOf(statement: InStatement): string {
  return typeof statement === "string" ? statement : statement.sql;
}

function execute({ sql: storage }: ObjectStorage, statement: InStatement): ResultSet {
  const { sql, args = [] } = typeof statement === "string" ? { sql: statement } : statement;
  if (!Array.isArray(args)) throw new TypeError("Named parameters are not supported here");
  const cursor = storage.exec(adapted(sql, args), ...args.map(bindable));
  const columns = cursor.columnNames;
  // An open cursor would lock its table.
  const indexes = indexesOf(columns);
  const rows = Array.from(cursor.raw(), (cells) => createRow(indexes, cells));
  // The cursor counts written entries of indexes, too. Most statements of a start write nothing.
  const isWritten = columns.length === 0 && cursor.rowsWritten > 0;
  const [[changed] = []] = isWritten ? [...storage.exec("SELECT changes()").raw()] : [];
  return {
    columns,
    columnTypes: columns.map(() => ""),
    rows,
    rowsAffected: Number(changed ?? 0),
    lastInsertRowid: undefined,
    toJSON: () => ({ columns, rows }),
  };
}

/** Casts integers, because every number is bound as REAL. */
function adapted(sql: string, args: readonly InValue[]): string {
  const [first = "", ...others] = partsOf(sql);
  let text = first;
  for (const [at, part] of others.entries())
    text += (typeof args[at] === "bigint" ? "CAST(? AS INTEGER)" : "?") + part;
  return text;
}

/** Splits a text at its parameters, and removes comments: one behind the statement is an error. */
function partsOf(sql: string): readonly string[] {
  const known = PARTS.get(sql);
  if (known !== undefined) return known;
  const parts = sql
    .replaceAll(PIECES, (piece) => {
      if (piece === "?") return PARAMETER;
      return COMMENT.test(piece) ? " " : piece;
    })
    .trim()
    .split(PARAMETER);
  PARTS.set(sql, parts);
  return parts;
}

/** A BigInt cannot be bound, nor a date. */
function bindable(value: InValue): unknown {
  if (typeof value === "boolean") return Number(value);
  if (value instanceof Date) return value.getTime();
  if (typeof value !== "bigint") return value;
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new RangeError("An integer of a statement is beyond 2^53");
  return number;
}
