import type { Client, InStatement, ResultSet } from "@libsql/client";
import { Batcher, type Blame, type PollingOptions } from "../async/batcher.ts";
import type { Connection } from "./connection.ts";
import { busyError, failedStatement, isNothingDone, isUnavailable } from "./errors.ts";

/** Values of this many bytes cost about as much as one more statement. */
const BYTES_PER_STATEMENT = 16_384;
/** A condition that depends on the write before it, which has to be the caller's own. */
const CHANGES = /\bchanges\s*\(/i;
const READ = /^\s*(SELECT|VALUES|PRAGMA|EXPLAIN)\b/i;

/** Statements of one caller, all of them or none, in order. */
type Commit = readonly InStatement[];
export type GroupCommit = Batcher<Commit, readonly ResultSet[]>;

/** How the commits of a database share transactions. */
export interface GroupCommitOptions {
  /** Bounds one transaction: a statement counts 1, and so do 16 KiB of values. */
  readonly maxStatements: number;
  /** How long a commit waits for others, in milliseconds. */
  readonly maxWaitMs: number;
  readonly polling?: PollingOptions | undefined;
}

/**
 * Creates the way by which all writes of this process go: one transaction at a time, shared by the commits that arrive
 * together. A commit that fails does not take the others with it.
 */
export function createGroupCommit(writer: Connection, options: GroupCommitOptions): GroupCommit {
  const { maxStatements, maxWaitMs, polling } = options;
  return new Batcher<Commit, readonly ResultSet[]>({
    async run(commits, deadlineMs) {
      const statements = commits.flat();
      const results = await writer.run((client) => execute(client, statements, "write"), { deadlineMs });
      const ends = endsOf(commits);
      return commits.map(({ length }, index) => {
        const end = ends[index] ?? 0;
        return results.slice(end - length, end);
      });
    },
    blame: blameFor,
    sizeOf,
    maxSize: maxStatements,
    maxWaitMs,
    tooLate: busyError,
    ...(polling && { polling }),
  });
}

/** Runs statements as one transaction. */
export async function execute(
  client: Pick<Client, "execute" | "batch">,
  statements: readonly InStatement[],
  mode: "read" | "write",
): Promise<readonly ResultSet[]> {
  const [only, ...others] = statements;
  // One statement is a transaction by itself, without the steps of a batch.
  if (only !== undefined && others.length === 0) return [await client.execute(only)];
  return client.batch([...statements], mode);
}

/**
 * Asserts that no condition depends on what another caller has changed: `changes()` needs a write before it.
 * @throws {TypeError}
 */
export function assertOwnChanges(statements: readonly InStatement[]): void {
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

/** Index of the statement after each commit's last one. */
function endsOf(commits: readonly Commit[]): number[] {
  let end = 0;
  return commits.map(({ length }) => {
    end += length;
    return end;
  });
}

function sizeOf(statements: Commit): number {
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
