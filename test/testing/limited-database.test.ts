import { describe, expect, test } from "bun:test";
import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../../src/contracts/database.ts";
import { openLimitedDatabase } from "../../src/testing/limited-database.ts";
import { randomBytes } from "../storage/fixtures/database.ts";

const list = (count: number, text: string) => Array.from({ length: count }, () => text).join(", ");
const selects = (count: number) => sql.raw(Array.from({ length: count }, () => "SELECT 1").join(" UNION "));
const values = (count: number) =>
  sql.join(
    Array.from({ length: count }, () => sql`${1}`),
    sql`, `,
  );

/** A promise, which a statement of Drizzle is not. */
const rows = async (database: Database, statement: SQL) => database.read.all(statement);

describe("a database in memory for tests", () => {
  test.each([
    ["parameters", sql`SELECT 1 IN (${values(101)})`, sql`SELECT 1 IN (${values(100)})`],
    ["terms in a compound SELECT", selects(6), sql`SELECT * FROM (${selects(5)}) UNION ${selects(4)}`],
    [
      "arguments of a function",
      sql.raw(`SELECT json_array(${list(33, "1")})`),
      sql.raw(
        `SELECT json_array(${list(32, "char(1, 2)")}), ${list(40, "1")}, (SELECT count(*) FROM (SELECT ${list(40, "1")}))`,
      ),
    ],
    [
      "bytes in a pattern",
      sql`SELECT 'a', ${1} WHERE 'a' LIKE ${"ü".repeat(26)}`,
      sql`SELECT ${"ü".repeat(26)} LIKE ${"ü".repeat(25)}`,
    ],
    [
      "bytes in a pattern",
      sql.raw(`SELECT 'a' GLOB '${"a".repeat(51)}'`),
      sql.raw(`SELECT 'a' GLOB '${"a".repeat(50)}'`),
    ],
    [
      "bytes of values",
      sql`SELECT ${"a".repeat(1_000_000)}, ${"ü".repeat(500_001)}`,
      sql`SELECT ${"a".repeat(2_000_000)}`,
    ],
  ])("rejects too many %s, and takes the most that are allowed", async (limit, tooMuch, most) => {
    await using database = openLimitedDatabase({ randomBytes });
    await expect(rows(database, tooMuch)).rejects.toThrow(limit);
    await expect(database.commit([database.write.run(tooMuch)])).rejects.toThrow(limit);
    expect(await rows(database, most)).toBeDefined();
  });

  test("shows no value in its error", async () => {
    await using database = openLimitedDatabase({ randomBytes });
    const tooLong = rows(database, sql`SELECT 1 LIKE ${"secret".repeat(9)}`);
    await expect(tooLong).rejects.toThrow("54 bytes in a pattern");
    await expect(tooLong).rejects.not.toThrow("secret");
  });

  test("rejects a pattern whose length it cannot know", async () => {
    await using database = openLimitedDatabase({ randomBytes });
    await expect(rows(database, sql`SELECT 1 LIKE ('%' || ${"a"})`)).rejects.toThrow(
      "must be a text or a parameter",
    );
  });

  test("takes more columns of a table than a function has arguments", async () => {
    await using database = openLimitedDatabase({ randomBytes });
    const columns = Array.from({ length: 40 }, (_, index) => `c${index}`).join(", ");
    await database.commit([
      database.write.run(sql.raw(`CREATE TABLE wide (${columns})`)),
      database.write.run(sql.raw(`INSERT INTO wide (${columns}) VALUES (${list(40, "1")})`)),
    ]);
    expect(await rows(database, sql`SELECT c39 FROM wide`)).toEqual([{ c39: 1 }]);
  });
});
