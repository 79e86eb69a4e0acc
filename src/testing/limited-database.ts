import type { InStatement } from "@libsql/client";
import { type Database, STATEMENT_LIMITS } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import {
  type Connection,
  type Connections,
  LibsqlDatabase,
  type StatementClient,
} from "../storage/libsql-database.ts";
import { connectMemory } from "../storage/local/connect.ts";

/** Opens a database in memory that rejects what another database would not take. */
export function openLimitedDatabase(platform: Pick<Platform, "randomBytes">): Database {
  return new LibsqlDatabase(connectLimited(platform));
}

/** Connects to a new database in memory with the limits of {@link STATEMENT_LIMITS}. */
export function connectLimited({ randomBytes }: Pick<Platform, "randomBytes">): Connections {
  const { writer, ...connections } = connectMemory({ url: ":memory:", randomBytes });
  const only = limited(writer);
  return { ...connections, reader: only, writer: only };
}

function limited(connection: Connection): Connection {
  return {
    run: (operation, options) => connection.run((client) => operation(limitedClient(client)), options),
    changeMark: () => connection.changeMark?.() ?? null,
    busyCount: () => connection.busyCount?.() ?? 0,
    close: () => connection.close(),
  };
}

function limitedClient(client: StatementClient): StatementClient {
  return {
    async execute(statement: InStatement) {
      assertWithinLimits(statement, 0);
      return client.execute(statement);
    },
    async batch(statements, mode) {
      for (const [index, statement] of statements.entries()) {
        if (Array.isArray(statement)) throw new TypeError("A statement of a batch is a text or an object");
        assertWithinLimits(statement, index);
      }
      return client.batch(statements, mode);
    },
  };
}

/** A statement that some database would not take. */
class LimitError extends RangeError {
  override readonly name = "LimitError";
  /** The place of the statement in its batch, as the driver's errors have it. */
  readonly statementIndex: number;

  constructor(message: string, statementIndex: number) {
    super(message);
    this.statementIndex = statementIndex;
  }
}

function assertWithinLimits(statement: InStatement, index: number): void {
  const [sql, args = []] = typeof statement === "string" ? [statement] : [statement.sql, statement.args];
  const values: readonly unknown[] = Object.values(args);
  const { compoundTerms, functionArguments, patterns } = shapeOf(sql);
  const assertAtMost = (what: keyof typeof STATEMENT_LIMITS, count: number, unit: string) => {
    const max = STATEMENT_LIMITS[what];
    // The values are not in the message: they may be secrets.
    if (count > max)
      throw new LimitError(`A statement has ${count} ${unit}, but at most ${max} are allowed: ${sql}`, index);
  };
  assertAtMost("parameters", values.length, "parameters");
  assertAtMost("compoundTerms", compoundTerms, "terms in a compound SELECT");
  assertAtMost("functionArguments", functionArguments, "arguments of a function");
  for (const pattern of patterns) {
    const text = typeof pattern === "number" ? values[pattern] : pattern;
    assertAtMost("patternBytes", bytesOf(text), "bytes in a pattern of LIKE or GLOB");
  }
  const bytes = values.reduce<number>((sum, value) => sum + bytesOf(value), 0);
  assertAtMost("rowBytes", bytes, "bytes of values");
}

function bytesOf(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  return value instanceof Uint8Array || value instanceof ArrayBuffer ? value.byteLength : 0;
}

/** The counts that the text of a statement alone shows. */
interface Shape {
  /** Terms of the longest compound SELECT; 1 if there is none. */
  readonly compoundTerms: number;
  /** Arguments of the call with the most of them; 0 if none has two. */
  readonly functionArguments: number;
  /** Each pattern of LIKE and GLOB: its text, or the index of its parameter. */
  readonly patterns: readonly (string | number)[];
}

/** Comments and spaces; texts; names in quotes; words; and single characters. */
const TOKEN = /--[^\n]*|\/\*[\s\S]*?\*\/|\s+|'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\w+|[\s\S]/g;
const SKIPPED = /^(?:--|\/\*|\s)/;
const COMPOUND = /^(?:UNION|EXCEPT|INTERSECT)$/i;
const PATTERN = /^(?:LIKE|GLOB)$/i;
const WORD = /^\w+$/;
/** Words before a parenthesis, or before the name in front of it, that show that it is no call. */
const NO_CALL = /^(?:IN|VALUES|AS|INTO|TABLE|REFERENCES|KEY|SET)$/i;
const QUERY = /^(?:SELECT|WITH|VALUES)$/i;

const shapes = new Map<string, Shape>();

function shapeOf(sql: string): Shape {
  const known = shapes.get(sql);
  if (known) return known;
  const shape = readShape((sql.match(TOKEN) ?? []).filter((token) => !SKIPPED.test(token)));
  shapes.set(sql, shape);
  return shape;
}

function readShape(tokens: readonly string[]): Shape {
  const patterns: (string | number)[] = [];
  let compoundTerms = 1;
  let functionArguments = 0;
  let parameter = 0;
  // The open parentheses, outermost first. The first entry is the statement.
  let open = [{ isCall: false, terms: 1, args: 1 }];
  for (const [at, token] of tokens.entries()) {
    const inner = open.at(-1);
    if (token === "(") open.push({ isCall: isCall(tokens, at), terms: 1, args: 1 });
    else if (token === ")") open.pop();
    else if (token === ";") open = [{ isCall: false, terms: 1, args: 1 }];
    else if (token === "?") parameter++;
    else if (token === "," && inner?.isCall) functionArguments = Math.max(functionArguments, ++inner.args);
    else if (COMPOUND.test(token) && inner) compoundTerms = Math.max(compoundTerms, ++inner.terms);
    else if (PATTERN.test(token)) patterns.push(patternAfter(tokens[at + 1], parameter));
  }
  return { compoundTerms, functionArguments, patterns };
}

function isCall(tokens: readonly string[], at: number): boolean {
  const [before, name, inside] = [tokens[at - 2] ?? "", tokens[at - 1] ?? "", tokens[at + 1] ?? ""];
  return WORD.test(name) && ![before, name].some((word) => NO_CALL.test(word)) && !QUERY.test(inside);
}

function patternAfter(token: string | undefined, parameter: number): string | number {
  if (token === "?") return parameter;
  if (token?.startsWith("'")) return token.slice(1, -1);
  throw new TypeError(
    "The pattern of LIKE or GLOB must be a text or a parameter, so that its length is known",
  );
}
