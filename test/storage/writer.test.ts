import { describe, expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { SealpostError } from "../../src/errors.ts";
import type { Statement } from "../../src/storage/database.ts";
import { GroupWriter } from "../../src/storage/writer.ts";
import { createItems, item, openTest } from "./fixtures/database.ts";

/** A writer over a real database that tells how many statements went into each commit. */
async function opened() {
  const database = openTest();
  await createItems(database);
  const sizes: number[] = [];
  const writer = new GroupWriter((statements) => {
    sizes.push(statements.length);
    return database.commit(statements);
  });
  const insert = (id: string, version = 1) => database.write.insert(item).values({ id, version });
  return { database, writer, sizes, insert, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
}

describe("GroupWriter.append()", () => {
  test("writes together what arrives together, at most 500, in order", async () => {
    await using at = await opened();
    const ids = Array.from({ length: 1_200 }, (_, index) => `${index}`);
    await Promise.all(ids.map((id) => at.writer.append([at.insert(id)])));
    expect(at.sizes).toEqual([500, 500, 200]);
    const rows = await at.database.read.select({ id: item.id }).from(item).orderBy(sql`rowid`);
    expect(rows.map((row) => row.id)).toEqual(ids);
  });

  test("resolves when the row can be read, and not before", async () => {
    await using at = await opened();
    const check = async (id: string) => {
      await at.writer.append([at.insert(id)]);
      expect(await at.database.read.$count(item, eq(item.id, id))).toBe(1);
    };
    await Promise.all(["a", "b", "c"].map(check));
    await check("d");
    expect(at.sizes).toEqual([3, 1]);
  });

  test("writes all statements of a call or none of them", async () => {
    await using at = await opened();
    const calls = [[at.insert("a"), at.insert("b")], [at.insert("c"), at.insert("a")], [at.insert("d")]];
    const results = await Promise.allSettled(calls.map((statements) => at.writer.append(statements)));
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    const rows = await at.database.read.select({ id: item.id }).from(item).orderBy(sql`rowid`);
    expect(rows.map((row) => row.id)).toEqual(["a", "b", "d"]);
  });

  test("fails a bad row alone, with its own error", async () => {
    await using at = await opened();
    const versions = [1, 1, 0, 1, 0, 1];
    const results = await Promise.allSettled(
      versions.map((version, index) => at.writer.append([at.insert(`${index}`, version)])),
    );
    expect(results.map((result) => result.status === "fulfilled")).toEqual(
      versions.map((each) => each === 1),
    );
    expect(results[2]).toMatchObject({ reason: { code: "SQLITE_CONSTRAINT" } });
    expect(await at.database.read.$count(item)).toBe(4);
    await at.writer.append([at.insert("later")]);
  });

  test("does not try one by one when the database is away", async () => {
    await using at = await opened();
    let commits = 0;
    const writer = new GroupWriter(async (statements: readonly Statement[]) => {
      commits++;
      throw new SealpostError("database_unavailable", `${statements.length}`);
    });
    const results = await Promise.allSettled(["a", "b", "c"].map((id) => writer.append([at.insert(id)])));
    expect(results.map((result) => result.status)).toEqual(["rejected", "rejected", "rejected"]);
    expect(commits).toBe(1);
  });
});

describe("GroupWriter.drain()", () => {
  test("waits for everything appended, and for nothing when there is nothing", async () => {
    await using at = await opened();
    await at.writer.drain();
    const appended = ["a", "b", "c"].map((id) => at.writer.append([at.insert(id)]));
    await at.writer.drain();
    expect(await at.database.read.$count(item)).toBe(3);
    await Promise.all(appended);
  });
});
