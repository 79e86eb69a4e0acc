import { describe, expect, test } from "bun:test";
import { createClient } from "@libsql/client";
import { sql } from "drizzle-orm";
import {
  createItems,
  item,
  locked,
  openTest,
  outside,
  randomBytes,
  temporaryFile,
} from "../fixtures/database.ts";

/** Randomness that reports each call: the connection calls it before each wait for a lock. */
function watchedRandomness() {
  const { promise: refused, resolve } = Promise.withResolvers<void>();
  let refusals = 0;
  return {
    refused,
    refusals: () => refusals,
    randomBytes: (length: number) => {
      refusals++;
      resolve();
      return randomBytes(length);
    },
  };
}

describe("after SQLITE_BUSY", () => {
  test("an acknowledged commit, append and write are visible to a new connection and hold no lock", async () => {
    using file = temporaryFile();
    const watch = watchedRandomness();
    await using database = openTest({ url: file.url, randomBytes: watch.randomBytes });
    await createItems(database);
    const row = (id: string) => database.write.insert(item).values({ id, version: 1 });

    for (const write of [
      (id: string) => database.commit([row(id)]),
      (id: string) => database.append(row(id)),
      (id: string) => row(id).returning(),
    ]) {
      await using lock = await locked(file.path, "IMMEDIATE");
      const before = watch.refusals();
      const waiting = Promise.resolve(write(`waited${before}`));
      while (watch.refusals() === before) await new Promise(setImmediate);
      await lock.release();
      await waiting;
      await write(`after${before}`);
      const find = `SELECT id FROM item WHERE id IN ('waited${before}', 'after${before}')`;
      expect(await outside(file.path, "UPDATE item SET version = 2", find)).toHaveLength(2);
    }
  });

  test("a plain client acknowledges writes and loses them, which is why connections are managed", async () => {
    using file = temporaryFile();
    const client = createClient({ url: file.url, concurrency: 1, timeout: 0 });
    await client.execute("PRAGMA journal_mode = WAL");
    await client.execute("CREATE TABLE item (id TEXT, version INTEGER)");
    await using lock = await locked(file.path, "IMMEDIATE");
    const insert = () => client.execute("INSERT INTO item VALUES ('a', 1)");
    await expect(insert()).rejects.toThrow("SQLITE_BUSY");
    await lock.release();
    expect((await insert()).rowsAffected).toBe(1);
    expect(await outside(file.path, "SELECT count(*) AS n FROM item")).toEqual([{ n: 0 }]);
    client.close();
  });

  test("both connections get their settings again", async () => {
    using file = temporaryFile();
    const watch = watchedRandomness();
    await using database = openTest({ url: file.url, randomBytes: watch.randomBytes });
    await createItems(database);
    await database.write.run(sql`PRAGMA synchronous = OFF`);
    await using lock = await locked(file.path, "IMMEDIATE");
    const waiting = database.commit([database.write.insert(item).values({ id: "a", version: 1 })]);
    await watch.refused;
    await lock.release();
    await waiting;
    expect(await database.write.get<object>(sql`PRAGMA synchronous`)).toEqual({ synchronous: 2 });
  });

  test("a reader waits as well and stays read-only", async () => {
    using file = temporaryFile();
    const create = "CREATE TABLE item (id TEXT)";
    await outside(file.path, "PRAGMA journal_mode = WAL", create);
    const watch = watchedRandomness();
    await using database = openTest({ url: file.url, randomBytes: watch.randomBytes });
    await using lock = await locked(file.path, "EXCLUSIVE");
    const counting = database.read.$count(item).then((count) => count);
    await watch.refused;
    await lock.release();
    expect(await counting).toBe(0);
    expect(await database.read.get<object>(sql`PRAGMA query_only`)).toEqual({ query_only: 1 });
  });

  test("calls keep their order", async () => {
    using file = temporaryFile();
    const watch = watchedRandomness();
    await using database = openTest({ url: file.url, randomBytes: watch.randomBytes });
    await createItems(database);
    await using lock = await locked(file.path, "IMMEDIATE");
    const ids = Array.from({ length: 20 }, (_, index) => `${index}`);
    const commits = ids.map((id) =>
      database.commit([database.write.insert(item).values({ id, version: 1 })]),
    );
    await watch.refused;
    await lock.release();
    await Promise.all(commits);
    const rows = await database.read.select({ id: item.id }).from(item).orderBy(sql`rowid`);
    expect(rows.map((row) => row.id)).toEqual(ids);
  });
});

describe("a lock that stays", () => {
  test("ends each waiting call within `lockTimeoutMs` of its start, and writes nothing later", async () => {
    using file = temporaryFile();
    await using database = openTest({ url: file.url, lockTimeoutMs: 100 });
    await createItems(database);
    await using lock = await locked(file.path, "IMMEDIATE");
    const begin = performance.now();
    const calls = Array.from({ length: 30 }, (_, index) =>
      database.commit([database.write.insert(item).values({ id: `${index}`, version: 1 })]).then(
        () => null,
        (reason: unknown) => reason,
      ),
    );
    for (const error of await Promise.all(calls)) {
      expect(error).toMatchObject({ code: "database_unavailable", retryAfterSeconds: 1 });
    }
    // One after another, they would take 30 × 100 ms.
    expect(performance.now() - begin).toBeLessThan(1_500);
    await lock.release();
    await database.commit([database.write.insert(item).values({ id: "z", version: 1 })]);
    expect(await database.read.select({ id: item.id }).from(item)).toEqual([{ id: "z" }]);
  });

  test("leaves the event loop free and allows reads", async () => {
    using file = temporaryFile();
    await using database = openTest({ url: file.url, lockTimeoutMs: 200 });
    await createItems(database);
    await using _lock = await locked(file.path, "IMMEDIATE");
    let ended = false;
    const call = database.commit([database.write.delete(item)]).catch(() => {
      ended = true;
    });
    let reads = 0;
    while (!ended) {
      expect(await database.read.$count(item)).toBe(0);
      reads++;
      await new Promise(setImmediate);
    }
    await call;
    expect(reads).toBeGreaterThan(10);
  });
});
