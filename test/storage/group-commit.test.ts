import { describe, expect, test } from "bun:test";
import { setImmediate } from "node:timers/promises";
import { asc, eq, sql } from "drizzle-orm";
import type { Statement } from "../../src/contracts/database.ts";
import { SealpostError } from "../../src/errors.ts";
import { isConstraintError } from "../../src/storage/errors.ts";
import { type Connection, LibsqlDatabase } from "../../src/storage/libsql-database.ts";
import { connectFile, connectMemory } from "../../src/storage/local/connect.ts";
import { createItems, item, outside, randomBytes, temporaryFile } from "./fixtures/database.ts";

/** A database file that records the number of statements of each transaction. */
async function counted() {
  const file = temporaryFile();
  const connections = connectFile({ url: file.url, randomBytes });
  const transactions: number[] = [];
  const writer: Connection = {
    run: (operation, options) =>
      connections.writer.run(
        (client) =>
          operation({
            ...client,
            execute: (statement: Parameters<typeof client.batch>[0][number]) => {
              transactions.push(1);
              return client.execute(Array.isArray(statement) ? { sql: statement[0] } : statement);
            },
            batch: (statements, mode) => {
              transactions.push(statements.length);
              return client.batch(statements, mode);
            },
          }),
        options,
      ),
    close: () => connections.writer.close(),
  };
  const database = new LibsqlDatabase({ ...connections, writer });
  await createItems(database);
  transactions.length = 0;
  const insert = (id: string, version = 1) => database.write.insert(item).values({ id, version });
  const dispose = async () => {
    await database[Symbol.asyncDispose]();
    file[Symbol.dispose]();
  };
  const ids = async () => {
    const rows = await database.read.select({ id: item.id }).from(item).orderBy(sql`rowid`);
    return rows.map(({ id }) => id);
  };
  return { database, transactions, insert, ids, file, [Symbol.asyncDispose]: dispose };
}

const outcomes = async (promises: readonly Promise<unknown>[]) =>
  (await Promise.allSettled(promises)).map((outcome) =>
    outcome.status === "fulfilled"
      ? "done"
      : isConstraintError(outcome.reason)
        ? "constraint"
        : String(outcome.reason),
  );

describe("commits that arrive together", () => {
  test("share transactions of at most 500 statements, in order of arrival", async () => {
    await using at = await counted();
    const ids = Array.from({ length: 600 }, (_, index) => `${index}`);
    await Promise.all(ids.map((id) => at.database.commit([at.insert(`${id}a`), at.insert(`${id}b`)])));
    expect(at.transactions).toEqual([500, 500, 200]);
    expect(await at.ids()).toEqual(ids.flatMap((id) => [`${id}a`, `${id}b`]));
  });

  test("share transactions with appends", async () => {
    await using at = await counted();
    await Promise.all([
      at.database.commit([at.insert("a")]),
      at.database.append(at.insert("b"), at.insert("c")),
      at.database.commit([at.insert("d")], { isUrgent: true }),
    ]);
    expect(at.transactions).toEqual([4]);
    expect(await at.ids()).toEqual(["d", "a", "b", "c"]);
  });

  test("do not share a transaction with large values of others", async () => {
    await using at = await counted();
    const large = (id: string) =>
      at.database.write.insert(item).values({ id, version: 1, bytes: Buffer.alloc(3_000_000) });
    await Promise.all(["a", "b", "c", "d", "e"].map((id) => at.database.commit([large(id)])));
    expect(at.transactions).toEqual([2, 2, 1]);
  });

  test("each return their own results", async () => {
    await using at = await counted();
    const { database } = at;
    const { write } = database;
    await database.commit([at.insert("a"), at.insert("b")]);
    const [one, two, three] = await Promise.all([
      database.commit([
        write.update(item).set({ version: 5 }).where(eq(item.id, "a")).returning({ version: item.version }),
        write.select({ id: item.id, version: item.version }).from(item).orderBy(asc(item.id)),
      ]),
      database.commit([write.delete(item).where(eq(item.id, "none"))]),
      database.commit([write.delete(item), at.insert("c")]),
    ]);
    expect(one).toEqual([
      [{ version: 5 }],
      [
        { id: "a", version: 5 },
        { id: "b", version: 1 },
      ],
    ]);
    expect(two[0].rowsAffected).toBe(0);
    expect(three.map(({ rowsAffected }) => rowsAffected)).toEqual([2, 1]);
    expect(at.transactions).toEqual([2, 5]);
  });

  test("a condition on changes() sees only the writes of its own commit", async () => {
    await using at = await counted();
    const { database } = at;
    const { write } = database;
    const change = (id: string) => [
      write.update(item).set({ version: 2 }).where(eq(item.id, id)),
      write.run(
        sql`INSERT INTO item (id, version, done) SELECT ${`${id} changed`}, 1, 0 WHERE changes() > 0`,
      ),
    ];
    await database.commit([at.insert("a"), at.insert("b")]);
    await Promise.all(["a", "none", "b", "nothing"].map((id) => database.commit(change(id))));
    expect(at.transactions).toEqual([2, 8]);
    expect(await at.ids()).toEqual(["a", "b", "a changed", "b changed"]);
  });

  test("a commit whose first statement has a condition on changes() is misuse", async () => {
    await using at = await counted();
    const { database } = at;
    const { write } = database;
    const conditional = write.run(
      sql`INSERT INTO item (id, version, done) SELECT 'x', 1, 0 WHERE changes() > 0`,
    );
    const other = database.commit([at.insert("a")]);
    for (const statements of [[conditional], [write.select().from(item), conditional]] as const) {
      const error = await database.commit(statements).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(TypeError);
    }
    await other;
    expect(await at.ids()).toEqual(["a"]);
  });

  test("fail alone, with all of their statements or none, as if they ran one after another", async () => {
    await using at = await counted();
    const calls: Statement[][] = [
      [at.insert("a"), at.insert("b")],
      [at.insert("c"), at.insert("a")],
      [at.insert("d"), at.insert("bad", 0)],
      [at.database.write.run(sql`INSERT INTO nowhere VALUES (1)`)],
      [at.insert("c")],
      [at.insert("e"), at.insert("d")],
    ];
    const [bad, ...others] = (
      await outcomes(calls.map((statements) => at.database.commit(statements)))
    ).toSpliced(3, 1);
    expect([bad, ...others]).toEqual(["done", "constraint", "constraint", "done", "done"]);
    expect(await at.ids()).toEqual(["a", "b", "c", "e", "d"]);
  });

  test("still share transactions if one of them fails", async () => {
    await using at = await counted();
    const calls = Array.from({ length: 100 }, (_, index) =>
      at.database.commit([at.insert(`${index}`, index === 60 ? 0 : 1)]),
    );
    expect((await outcomes(calls)).filter((outcome) => outcome !== "done")).toEqual(["constraint"]);
    // All; those before the bad one; the bad one and the rest; the rest.
    expect(at.transactions).toEqual([100, 60, 40, 39]);
  });

  test("a failed one rejects with its own error", async () => {
    await using at = await counted();
    const calls = [at.database.commit([at.insert("a")]), at.database.commit([at.insert("b", 0)])];
    const [, outcome] = await Promise.allSettled(calls);
    expect(outcome).toMatchObject({ status: "rejected", reason: { code: "SQLITE_CONSTRAINT" } });
  });
});

describe("a commit in the background", () => {
  const COUNT = sql`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000)
    SELECT count(*) AS counted FROM n`;

  test("leaves the event loop free", async () => {
    await using at = await counted();
    const count = at.database.write.all<{ counted: number }>(COUNT);
    let isDone = false;
    const commit = at.database.commit([at.insert("a"), count], { isBackground: true }).finally(() => {
      isDone = true;
    });
    let ticks = 0;
    for (; !isDone; ticks++) await setImmediate();
    expect((await commit)[1]).toEqual([{ counted: 500_000 }]);
    // A commit waits for others for at most eight ticks before it starts.
    expect(ticks).toBeGreaterThan(20);
    expect(await at.ids()).toEqual(["a"]);
  });

  test("has results of its own, and fails alone, if it shares a transaction", async () => {
    await using at = await counted();
    const returning = (id: string, version?: number) => at.insert(id, version).returning({ id: item.id });
    const results = await Promise.allSettled([
      at.database.commit([returning("a")]),
      at.database.commit([returning("b"), returning("c")], { isBackground: true }),
      at.database.commit([returning("d"), returning("e", 0)], { isBackground: true }),
      at.database.commit([returning("f")], { isUrgent: true }),
    ]);
    expect(results.map((result) => (result.status === "fulfilled" ? result.value.flat() : "failed"))).toEqual(
      [[{ id: "a" }], [{ id: "b" }, { id: "c" }], "failed", [{ id: "f" }]],
    );
    expect(await at.ids()).toEqual(["f", "a", "b", "c"]);
  });

  test("is seen by the next commit and read, and survives the end of the instance", async () => {
    await using at = await counted();
    for (let index = 0; index < 20; index++)
      await at.database.commit([at.insert(`${index}`)], { isBackground: index % 2 === 0 });
    const ids = Array.from({ length: 20 }, (_, index) => `${index}`);
    expect(await at.ids()).toEqual(ids);
    const last = at.database.commit([at.insert("last")], { isBackground: true });
    await at.database[Symbol.asyncDispose]();
    await last;
    expect(await outside(at.file.path, "SELECT id FROM item ORDER BY rowid")).toEqual(
      [...ids, "last"].map((id) => ({ id })),
    );
  });
});

test("commits that share a transaction fail together if the database is unavailable, and are not repeated", async () => {
  let runs = 0;
  const writer: Connection = {
    async run() {
      runs++;
      throw new SealpostError("database_unavailable", "It is unavailable");
    },
    close: async () => undefined,
  };
  await using database = new LibsqlDatabase({ ...connectMemory({ url: ":memory:", randomBytes }), writer });
  const calls = [1, 2, 3].map(() => database.commit([database.write.delete(item)]));
  const errors = await Promise.all(calls.map((call) => call.catch((error: unknown) => error)));
  for (const error of errors) expect(error).toMatchObject({ code: "database_unavailable" });
  expect(runs).toBe(1);
});
