import type { Client, InStatement, ResultSet } from "@libsql/client";
import { Batcher, type Blame, type PollingOptions } from "../async/batcher.ts";
import type { Connection } from "./connection.ts";
import { busyError, failedStatement, isNothingDone, isUnavailable } from "./errors.ts";

/** Values of this size cost about as much as one more statement. */
const BYTES_PER_STATEMENT = 16_384;
/** A condition on the preceding write, which must belong to the same caller. */
const CHANGES = /\bchanges\s*\(/i;
const READ = /^\s*(SELECT|VALUES|PRAGMA|EXPLAIN)\b/i;

/** The statements of one caller, in order, all or none. */
type Commit = readonly InStatement[];
export type GroupCommit = Batcher<Commit, readonly ResultSet[]>;

/** Bounds of the transactions that commits share. */
export interface GroupCommitOptions {
  /** Bounds one transaction: a statement counts as 1, and so do 16 KiB of values. */
  readonly maxStatements: number;
  /** Longest wait of a commit for others, in milliseconds. */
  readonly maxWaitMs: number;
  readonly polling?: PollingOptions | undefined;
}

/**
 * Creates the only write path of this process. It runs one transaction at a time, shared by the commits that arrive
 * together. A failed commit does not fail the others.
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
  // A single statement is a transaction, without the overhead of a batch.
  if (only !== undefined && others.length === 0) return [await client.execute(only)];
  return client.batch([...statements], mode);
}

/**
 * Asserts that no condition depends on a write of another caller: `changes()` needs a write before it.
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

/** Returns the index after the last statement of each commit. */
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
