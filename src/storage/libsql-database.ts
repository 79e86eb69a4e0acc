import type { Client, InStatement, ResultSet } from "@libsql/client";
import type { BatchResponse } from "drizzle-orm/batch";
import type { LibSQLDatabase } from "drizzle-orm/libsql/driver-core";
import { Batcher, type Blame, type PollingOptions } from "../async/batcher.ts";
import type { CommitOptions, Database, DatabaseKind, Statement } from "../contracts/database.ts";
import { drizzleOver, prepareStatement } from "./drizzle.ts";
import { busyError, failedStatement, isNothingDone, isUnavailable } from "./errors.ts";

/** The connections to one database. Reader and writer may be the same. */
export interface Connections {
  readonly kind: DatabaseKind;
  readonly reader: Connection;
  readonly writer: Connection;
  /** Writes while the event loop does other work. Absent if every commit of {@link writer} does. */
  readonly background?: Connection;
  readonly groupCommit: GroupCommitOptions;
}

/** The database that repositories use, over the connections of a driver. */
export class LibsqlDatabase implements Database {
  readonly kind: DatabaseKind;
  readonly read: LibSQLDatabase;
  readonly write: LibSQLDatabase;
  readonly prepare = prepareStatement;
  /** Like `write`, but before waiting commits. */
  readonly #urgent: LibSQLDatabase;
  readonly #background: LibSQLDatabase;
  readonly #connections: Connections;
  readonly #groupCommit: GroupCommit;

  constructor(connections: Connections) {
    const { kind, reader } = connections;
    this.kind = kind;
    this.#connections = connections;
    this.#groupCommit = createGroupCommit(connections);
    this.read = drizzleOver((statements) => reader.run((client) => execute(client, statements, "read")));
    this.write = this.#writing({});
    this.#urgent = this.#writing({ isUrgent: true });
    this.#background = this.#writing({ isBackground: true });
  }

  changeMark = (): string | null => this.#connections.reader.changeMark?.() ?? null;

  busyCount = (): number => {
    const { reader, writer, background } = this.#connections;
    const connections = new Set([reader, writer, background ?? writer]);
    return [...connections].reduce((sum, connection) => sum + (connection.busyCount?.() ?? 0), 0);
  };

  commit<const T extends readonly Statement[]>(
    statements: T,
    options?: CommitOptions,
  ): Promise<BatchResponse<T>>;
  async commit(
    statements: readonly Statement[],
    { isUrgent = false, isBackground = false }: CommitOptions = {},
  ): Promise<readonly unknown[]> {
    const [first, ...rest] = statements;
    if (first === undefined) return [];
    const write = isUrgent ? this.#urgent : isBackground ? this.#background : this.write;
    return write.batch([first, ...rest]);
  }

  async append(...statements: readonly Statement[]): Promise<void> {
    await this.commit(statements);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#groupCommit.drain();
    // Close the writer last: an open reader would keep it from moving the log into the file.
    await this.#connections.reader.close();
    await this.#connections.background?.close();
    await this.#connections.writer.close();
  }

  #writing({ isBackground = false, ...options }: CommitOptions): LibSQLDatabase {
    return drizzleOver((statements) => {
      assertOwnChanges(statements);
      return this.#groupCommit.run({ statements, isBackground }, options);
    });
  }
}

/** Values of this size cost about as much as one more statement. */
const BYTES_PER_STATEMENT = 16_384;
/** A condition on the preceding write, which must belong to the same caller. */
const CHANGES = /\bchanges\s*\(/i;
const READ = /^\s*(SELECT|VALUES|PRAGMA|EXPLAIN)\b/i;

/** The statements of one caller, in order, all or none. */
interface Commit {
  readonly statements: readonly InStatement[];
  readonly isBackground: boolean;
}
type GroupCommit = Batcher<Commit, readonly ResultSet[]>;

/** Bounds of the transactions that commits share. */
interface GroupCommitOptions {
  /** Bounds one transaction: a statement counts as 1, and so do 16 KiB of values. */
  readonly maxStatements: number;
  /** Longest wait of a commit for others, in milliseconds. */
  readonly maxWaitMs: number;
  /** Ticks of the event loop that a transaction waits for more commits at most. Default: 8. */
  readonly maxTicks?: number;
  readonly polling?: PollingOptions | undefined;
}

/**
 * Creates the only write path of this process. It runs one transaction at a time, shared by the commits that arrive
 * together. A failed commit does not fail the others.
 */
function createGroupCommit({ writer, background = writer, groupCommit }: Connections): GroupCommit {
  const { maxStatements, maxWaitMs, maxTicks, polling } = groupCommit;
  return new Batcher<Commit, readonly ResultSet[]>({
    async run(commits, deadlineMs) {
      const statements = commits.flatMap((commit) => commit.statements);
      const connection = commits.some(({ isBackground }) => isBackground) ? background : writer;
      const results = await connection.run((client) => execute(client, statements, "write"), { deadlineMs });
      const ends = endsOf(commits);
      return commits.map(({ statements: { length } }, index) => {
        const end = ends[index] ?? 0;
        return results.slice(end - length, end);
      });
    },
    blame: blameFor,
    sizeOf,
    maxSize: maxStatements,
    maxWaitMs,
    maxTicks,
    tooLate: busyError,
    ...(polling && { polling }),
  });
}

/** Runs statements as one transaction. */
async function execute(
  client: StatementClient,
  statements: readonly InStatement[],
  mode: "read" | "write",
): Promise<readonly ResultSet[]> {
  const [only, ...others] = statements;
  // A single statement is a transaction, without the overhead of a batch.
  if (only !== undefined && others.length === 0) return [await client.execute(only)];
  return client.batch([...statements], mode);
}

/**
 * Asserts that no condition depends on a write of another caller: `changes()` needs a write before it.
 * @throws {TypeError}
 */
function assertOwnChanges(statements: readonly InStatement[]): void {
  const texts = statements.map(textOf);
  const first = texts.findIndex((text) => CHANGES.test(text));
  if (first >= 0 && texts.slice(0, first).every((text) => READ.test(text)))
    throw new TypeError("changes() needs a write before it in the same commit");
}

function blameFor(error: unknown, commits: readonly Commit[]): Blame {
  if (isNothingDone(error)) return "none";
  if (isUnavailable(error)) return "all";
  const failed = failedStatement(error);
  if (failed === null) return "unknown";
  const index = endsOf(commits).findIndex((end) => failed < end);
  return index < 0 ? "unknown" : index;
}

/** Returns the index after the last statement of each commit. */
function endsOf(commits: readonly Commit[]): number[] {
  let end = 0;
  return commits.map(({ statements }) => {
    end += statements.length;
    return end;
  });
}

function sizeOf({ statements }: Commit): number {
  let bytes = 0;
  for (const statement of statements) {
    if (typeof statement !== "string" && Array.isArray(statement.args))
      for (const value of statement.args) bytes += bytesOf(value);
  }
  return statements.length + Math.floor(bytes / BYTES_PER_STATEMENT);
}

function bytesOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  return value instanceof Uint8Array || value instanceof ArrayBuffer ? value.byteLength : 0;
}

function textOf(statement: InStatement): string {
  return typeof statement === "string" ? statement : statement.sql;
}

/** The part of a libSQL client that runs statements. */
export type StatementClient = Pick<Client, "execute" | "batch">;

/** A way to use a libSQL client, one operation at a time or many. */
export interface Connection {
  /** Runs one `execute` or `batch`. Runs it again after SQLITE_BUSY, because nothing was done. */
  run<T>(operation: (client: StatementClient) => Promise<T>, options?: RunOptions): Promise<T>;
  /** Returns a mark that stays the same until something is committed; `null` if that is not known. */
  changeMark?(): string | null;
  /** Returns how often an operation found a lock of another connection, or a server that was too busy. */
  busyCount?(): number;
  /** Waits for the running operation, then closes. Later operations reject. */
  close(): Promise<void>;
}

export interface RunOptions {
  /**
   * No attempt starts later, on the clock of `performance.now()`. Default: the timeout of the connection.
   */
  readonly deadlineMs?: number;
}
