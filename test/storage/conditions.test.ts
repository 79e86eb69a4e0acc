import { expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { sqliteTable, text } from "drizzle-orm/sqlite-core";
import { matchesPattern } from "../../src/storage/conditions.ts";
import { openDatabase } from "../../src/storage/open-database.ts";
import { openTest, randomBytes } from "./fixtures/database.ts";

const named = sqliteTable("named", { name: text("name").primaryKey() });
const CREATE = sql`CREATE TABLE named (name TEXT PRIMARY KEY) STRICT`;

/** Every text of at most this many of the characters. */
function textsOf(characters: readonly string[], length: number): string[] {
  if (length === 0) return [""];
  const shorter = textsOf(characters, length - 1);
  return [
    ...new Set([...shorter, ...shorter.flatMap((start) => characters.map((character) => start + character))]),
  ];
}

test("a pattern matches what LIKE matches, for every short text and pattern", async () => {
  // LIKE is outside the limits.
  await using database = openDatabase({ url: ":memory:", randomBytes });
  await database.commit([database.write.run(CREATE)]);
  const names = textsOf(["a", "B", "%", "é"], 4);
  const rows = names.map((name) => ({ name }));
  await database.commit([database.write.insert(named).values(rows)]);
  const patterns = textsOf(["A", "b", "%", "*"], 5);
  const all = patterns.map((pattern) => {
    const like = pattern.replace(/[\\%_]/g, "\\$&").replaceAll("*", "%");
    return database.read.$count(
      named,
      sql`(${named.name} LIKE ${like} ESCAPE '\\') <> (${matchesPattern(named.name, pattern)})`,
    );
  });
  const different = await Promise.all(all);
  expect(patterns.filter((_, index) => different[index] !== 0)).toEqual([]);
});

test.each([
  ["an exact text of 255 characters", "x".repeat(255), "X".repeat(255), true],
  [
    "a start, some parts and an end of 255 characters",
    `${"ab".repeat(127)}c`,
    `${"Ab*".repeat(84)}abc`,
    true,
  ],
  ["a part that is missing", "ab".repeat(127), `${"ab*".repeat(84)}abc`, false],
  ["a start and an end that overlap", "aba", "ab*ba", false],
  ["characters outside the basic plane", "😀mail😀", "😀*i*😀", true],
  ["quotes, backslashes and wildcards of LIKE", `'"\\_%`, `*"\\_*`, true],
  ["an underscore, which stands for itself", "aXb", "a_b", false],
])("a pattern holds for %s within the limits of every database", async (_what, name, pattern, matches) => {
  await using database = openTest();
  await database.commit([database.write.run(CREATE), database.write.insert(named).values({ name })]);
  expect(await database.read.$count(named, matchesPattern(named.name, pattern))).toBe(matches ? 1 : 0);
});
