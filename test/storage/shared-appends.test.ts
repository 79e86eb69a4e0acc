import { describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { SealpostError } from "../../src/errors.ts";
import type { Statement } from "../../src/storage/database.ts";
import { openDatabase } from "../../src/storage/libsql.ts";
import { SharedAppends } from "../../src/storage/shared-appends.ts";

const database = openDatabase({ url: ":memory:", randomBytes: (length) => new Uint8Array(length) });
const statement = (id: number): Statement => database.write.run(sql`SELECT ${id}`);

/** What was committed, and how it went. */
function recorder(fate: (statements: readonly Statement[]) => Promise<unknown> = async () => undefined) {
  const commits: (readonly Statement[])[] = [];
  const appends = new SharedAppends(async (statements) => {
    commits.push(statements);
    await fate(statements);
  });
  return { appends, commits };
}

describe("SharedAppends.append()", () => {
  test("writes together what arrives while a commit is under way, a hundred at most, in order", async () => {
    const { appends, commits } = recorder();
    const statements = Array.from({ length: 250 }, (_, at) => statement(at));
    await Promise.all(statements.map((one) => appends.append([one])));
    expect(commits.flat()).toEqual(statements);
    expect(commits.map(({ length }) => length)).toEqual([1, 100, 100, 49]);
  });

  test("resolves when the row is written, and not before", async () => {
    const writing = Promise.withResolvers<void>();
    const { appends } = recorder(() => writing.promise);
    let isDone = false;
    const appending = appends.append([statement(1)]).then(() => {
      isDone = true;
    });
    const waiting = appends.append([statement(2)]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(isDone).toBe(false);
    writing.resolve();
    await Promise.all([appending, waiting]);
    await appends.drain();
  });

  test("gives every caller a promise of his own", () => {
    const { appends } = recorder();
    expect(appends.append([statement(1)])).not.toBe(appends.append([statement(1)]));
  });

  test("fails a bad row alone, with its own error", async () => {
    const bad = statement(3);
    const { appends } = recorder(async (statements) => {
      if (statements.includes(bad)) throw new Error("A bad row");
    });
    const rows = [statement(1), statement(2), bad, statement(4)];
    const outcomes = await Promise.allSettled(rows.map((row) => appends.append([row])));
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
  });

  test("does not try one by one when the database is away", async () => {
    const { appends, commits } = recorder(async () => {
      throw new SealpostError("database_unavailable", "It is away");
    });
    const outcomes = await Promise.allSettled([1, 2, 3].map((id) => appends.append([statement(id)])));
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    expect(commits.map(({ length }) => length)).toEqual([1, 2]);
  });
});
