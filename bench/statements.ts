import { createClient } from "@libsql/client/sqlite3";
import { eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/libsql/sqlite3";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { Database } from "../src/contracts/database.ts";
import { placeholdersFor } from "../src/storage/drizzle.ts";
import { openDatabase } from "../src/storage/open-database.ts";
import { type BenchResult, median, print } from "./result.ts";

const ROUNDS = 7;
const TIMES = 2_000;
/** A select built and prepared once takes a quarter or less. A commit also has BEGIN, COMMIT and its queue. */
const LIMITS = { select: 0.4, commit: 0.8 };

const COLUMNS = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"] as const;
const texts = Object.fromEntries(COLUMNS.map((name) => [name, text(name).notNull()]));
const row = sqliteTable("row", {
  id: text("id").primaryKey(),
  number: integer("number").notNull(),
  ...texts,
});
const CREATE = sql.raw(
  `CREATE TABLE row (id TEXT PRIMARY KEY, number INTEGER NOT NULL, ${COLUMNS.map((name) => `${name} TEXT NOT NULL`)})`,
);
const VALUES = {
  id: "1",
  number: 1,
  ...Object.fromEntries(COLUMNS.map((name) => [name, `the text ${name}`])),
};

interface Subject {
  select(): PromiseLike<unknown>;
  commit(): PromiseLike<unknown>;
}

/** Processor time of statements built and prepared once, against plain Drizzle and client. In memory. */
export async function benchStatements(): Promise<BenchResult[]> {
  await using database = openDatabase({ url: ":memory:", randomBytes: (length) => new Uint8Array(length) });
  const [ours, peer] = [await prepared(database), await plain()];
  const results: BenchResult[] = [];
  for (const what of ["select", "commit"] as const) {
    const times = { ours: [] as number[], peer: [] as number[] };
    for (let round = 0; round < ROUNDS; round++) {
      times.peer.push(await microseconds(peer[what]));
      times.ours.push(await microseconds(ours[what]));
    }
    const [mine, other] = [median(times.ours), median(times.peer)];
    results.push({
      name: `processor time of a ${what === "select" ? "select of 13 columns" : "commit of two statements"}, against Drizzle and @libsql/client alone`,
      ...{ ratio: mine / other, limit: LIMITS[what], better: "lower" },
      detail: `${mine.toFixed(0)} µs, peer ${other.toFixed(0)} µs`,
    });
  }
  return results;
}

async function prepared(database: Database): Promise<Subject> {
  const { read, write, prepare } = database;
  await database.commit([write.run(CREATE), write.insert(row).values(VALUES)]);
  const find = read
    .select()
    .from(row)
    .where(eq(row.id, sql.placeholder("id")))
    .prepare();
  const { id, number } = placeholdersFor(["id", "number"]);
  const update = prepare(() =>
    write
      .update(row)
      .set({ number: sql`${number}` })
      .where(eq(row.id, id)),
  );
  const touch = prepare(() => write.run(sql`UPDATE row SET a = a WHERE id = ${id} AND changes() > 0`));
  return {
    select: () => find.get({ id: "1" }),
    commit: () => database.commit([update({ id: "1", number: 2 }), touch({ id: "1" })]),
  };
}

async function plain(): Promise<Subject> {
  const database = drizzle(createClient({ url: ":memory:" }));
  await database.run(CREATE);
  await database.insert(row).values(VALUES);
  const isRow = eq(row.id, "1");
  return {
    select: () => database.select().from(row).where(isRow).get(),
    commit: () =>
      database.batch([
        database.update(row).set({ number: 2 }).where(isRow),
        database.run(sql`UPDATE row SET a = a WHERE id = ${"1"} AND changes() > 0`),
      ]),
  };
}

/** User and system time of one call. */
async function microseconds(call: () => PromiseLike<unknown>): Promise<number> {
  const before = process.cpuUsage();
  for (let count = 0; count < TIMES; count++) await call();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / TIMES;
}

if (import.meta.main) for (const result of await benchStatements()) print(result);
