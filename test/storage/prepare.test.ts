import { describe, expect, test } from "bun:test";
import { and, eq, gt, sql } from "drizzle-orm";
import { createItems, item, openTest } from "./fixtures/database.ts";

async function opened() {
  const database = openTest();
  await createItems(database);
  return database;
}

const id = sql.placeholder("id");

describe("Database.prepare()", () => {
  test("rejects a statement in place of a function that builds it", async () => {
    await using database = await opened();
    const prepare = database.prepare as (statement: unknown) => unknown;
    expect(() => prepare(database.write.delete(item))).toThrow("a function that builds the statement");
  });

  test("binds new values at each use, in the types of the columns", async () => {
    await using database = await opened();
    const { write, prepare } = database;
    const [version, done] = [sql.placeholder("version"), sql.placeholder("done")];
    const [at, list] = [sql.placeholder("at"), sql.placeholder("list")];
    const insert = prepare(() => write.insert(item).values({ id, version, done, at, list }));
    const rows = [
      { id: "a", version: 1, done: true, at: new Date(1_790_000_000_123), list: [1, 2] },
      { id: "b", version: 2, done: false, at: null, list: null },
    ];
    const [first, second] = await database.commit([insert(rows[0]), insert(rows[1])]);
    expect([first.rowsAffected, second.rowsAffected]).toEqual([1, 1]);
    expect(await database.read.select().from(item)).toEqual(rows.map((row) => ({ ...row, bytes: null })));
  });

  test("returns typed rows in a batch of reads and in a commit", async () => {
    await using database = await opened();
    const { read, write, prepare } = database;
    await database.commit([write.insert(item).values({ id: "a", version: 3 })]);
    const find = prepare(() => read.select({ version: item.version }).from(item).where(eq(item.id, id)));
    const count = prepare(() =>
      read.all<{ n: number }>(sql`SELECT count(*) AS n FROM item WHERE id = ${id}`),
    );
    const [found, [counted], none] = await read.batch([
      find({ id: "a" }),
      count({ id: "a" }),
      find({ id: "b" }),
    ]);
    expect([found, counted, none]).toEqual([[{ version: 3 }], { n: 1 }, []]);
    const raise = prepare(() =>
      write
        .update(item)
        .set({ version: sql`${item.version} + ${sql.placeholder("by")}` })
        .where(eq(item.id, id))
        .returning({ version: item.version }),
    );
    const [raised, changed] = await database.commit([
      raise({ id: "a", by: 4 }),
      prepare(() =>
        write.run(sql`INSERT INTO item (id, version, done) SELECT ${id}, 1, 0 WHERE changes() > 0`),
      )({
        id: "c",
      }),
    ]);
    expect(raised).toEqual([{ version: 7 }]);
    expect(changed.rowsAffected).toBe(1);
  });

  test("a statement is built at its first use, and once", async () => {
    await using database = await opened();
    let built = 0;
    const remove = database.prepare(() => {
      built++;
      return database.write.delete(item).where(eq(item.id, id));
    });
    expect(built).toBe(0);
    await database.commit([remove({ id: "a" }), remove({ id: "b" })]);
    expect(built).toBe(1);
  });

  test("a use without a value, or with a date for an unknown column, is misuse", async () => {
    await using database = await opened();
    const { write, prepare } = database;
    const remove = prepare(() =>
      write.delete(item).where(and(eq(item.id, id), gt(item.at, sql.placeholder("since")))),
    );
    expect(() => remove({ id: "a" })).toThrow("The placeholder since has no value");
    expect(() => remove({ id: "a", since: undefined })).toThrow("The placeholder since has no value");
    expect(() => remove({ id: "a", since: new Date(0) })).toThrow("A date needs sql.param");
    const since = sql.param(sql.placeholder("since"), item.at);
    const removeSince = prepare(() => write.delete(item).where(gt(item.at, since)));
    await database.commit([
      write.insert(item).values({ id: "a", version: 1, at: new Date(2_000) }),
      removeSince({ since: new Date(1_000) }),
    ]);
    expect(await database.read.$count(item)).toBe(0);
  });
});
