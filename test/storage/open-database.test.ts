import { afterAll, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, statSync, writeFileSync } from "node:fs";
import { and, eq, sql } from "drizzle-orm";
import { SealpostError } from "../../src/errors.ts";
import { isConstraintError } from "../../src/storage/errors.ts";
import { stopObjects } from "../fixtures/object/connect.ts";
import { createItems, item, openTest, outside, temporaryFile } from "./fixtures/database.ts";

afterAll(stopObjects);

async function rejection(promise: PromiseLike<unknown>): Promise<unknown> {
  return await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
}

function codeThrownBy(call: () => unknown): string | null {
  try {
    call();
    return null;
  } catch (error) {
    if (error instanceof SealpostError) return error.code;
    throw error;
  }
}

describe("openDatabase()", () => {
  test("does no I/O before the first statement", async () => {
    using file = temporaryFile();
    await using database = openTest({ url: file.url });
    expect(existsSync(file.path)).toBe(false);
    await createItems(database);
    expect(existsSync(file.path)).toBe(true);
  });

  test.each(["ftp://host/x", "data/x.db", "", "ws://127.0.0.1", "libsql://host?unknown=1", "http://["])(
    "rejects the URL %p",
    (url) => {
      expect(codeThrownBy(() => openTest({ url }))).toBe("bad_setting");
    },
  );

  test("rejects a file URL with unknown parameters when it opens the file", async () => {
    await using database = openTest({ url: "file:x.db?mode=ro" });
    expect(await rejection(database.read.get(sql`SELECT 1`))).toMatchObject({ code: "bad_setting" });
  });

  test("uses one database in memory for reads and writes", async () => {
    await using database = openTest();
    await createItems(database);
    await rejection(database.commit([database.write.run(sql`SELEC`)]));
    await database.commit([database.write.insert(item).values({ id: "a", version: 1 })]);
    expect(await database.read.$count(item)).toBe(1);
  });
});

describe.each([":memory:", "file:", "object:"])("a database at %s", (kind) => {
  const opened = async () => {
    const file = temporaryFile();
    const database = openTest({ url: kind === "file:" ? file.url : kind });
    await createItems(database);
    const dispose = async () => {
      await database[Symbol.asyncDispose]();
      file[Symbol.dispose]();
    };
    return { database, read: database.read, write: database.write, [Symbol.asyncDispose]: dispose };
  };

  test("stores the types of the columns, never a number as REAL", async () => {
    await using at = await opened();
    const row = {
      id: "a",
      version: 2 ** 40,
      done: true,
      at: new Date(1_790_000_000_123),
      list: [1, 2],
      bytes: Buffer.from([0, 255, 3]),
    };
    await at.database.commit([at.write.insert(item).values(row)]);
    expect(await at.read.select().from(item)).toEqual([row]);
    const types = sql`SELECT typeof(version) || typeof(done) || typeof(at) || typeof(list) || typeof(bytes) AS t,
      typeof(${7}) || typeof(${7.5}) || ${1} AS p FROM item`;
    expect(await at.read.get<{ t: string; p: string }>(types)).toEqual({
      t: "integerintegerintegertextblob",
      p: "integerreal1",
    });
  });

  test("commit() returns typed results in order", async () => {
    await using at = await opened();
    const [inserted, rows, returned, none] = await at.database.commit([
      at.write.insert(item).values([
        { id: "a", version: 1 },
        { id: "b", version: 2 },
      ]),
      at.write.select({ id: item.id }).from(item).orderBy(item.id),
      at.write.update(item).set({ version: 3 }).where(eq(item.id, "a")).returning({ version: item.version }),
      at.write.delete(item).where(eq(item.id, "c")),
    ]);
    expect(inserted.rowsAffected).toBe(2);
    expect(rows).toEqual([{ id: "a" }, { id: "b" }]);
    expect(returned).toEqual([{ version: 3 }]);
    expect(none.rowsAffected).toBe(0);
    expect(await at.database.commit([])).toEqual([]);
  });

  test("commit() runs conditional writes: changes() refers to the previous statement", async () => {
    await using at = await opened();
    const { database, write } = at;
    await database.commit([write.insert(item).values({ id: "a", version: 1 })]);
    const change = (version: number) =>
      database.commit([
        write
          .update(item)
          .set({ version: version + 1 })
          .where(and(eq(item.id, "a"), eq(item.version, version))),
        write.run(
          sql`INSERT INTO item (id, version, done) SELECT ${`log${version}`}, 1, 0 WHERE changes() > 0`,
        ),
        write.run(
          sql`INSERT INTO item (id, version, done) SELECT ${`also${version}`}, 1, 0 WHERE changes() > 0`,
        ),
      ]);
    expect((await change(1)).map((result) => result.rowsAffected)).toEqual([1, 1, 1]);
    expect((await change(1)).map((result) => result.rowsAffected)).toEqual([0, 0, 0]);
    const rows = await at.read.select({ id: item.id, version: item.version }).from(item).orderBy(item.id);
    expect(rows).toEqual([
      { id: "a", version: 2 },
      { id: "also1", version: 1 },
      { id: "log1", version: 1 },
    ]);
  });

  test.each([
    ["NOT NULL", sql`INSERT INTO item (id, version, done) VALUES ('x', NULL, 0)`],
    ["CHECK", sql`INSERT INTO item (id, version, done) VALUES ('x', 0, 0)`],
    ["PRIMARY KEY", sql`INSERT INTO item (id, version, done) VALUES ('a', 1, 0)`],
  ])(
    "commit() writes nothing if one statement violates %s, and the next commit works",
    async (_what, bad) => {
      await using at = await opened();
      const { database, write } = at;
      await database.commit([write.insert(item).values({ id: "a", version: 1 })]);
      const error = await rejection(
        database.commit([
          write.update(item).set({ version: 9 }),
          write.run(bad),
          write.insert(item).values({ id: "z", version: 1 }),
        ]),
      );
      expect(isConstraintError(error)).toBe(true);
      await database.commit([write.insert(item).values({ id: "b", version: 1 })]);
      const rows = await at.read.select({ id: item.id, version: item.version }).from(item);
      expect(rows.map((row) => row.id + row.version)).toEqual(["a1", "b1"]);
    },
  );

  test("an invalid statement rejects with the driver's error and shows no value", async () => {
    await using at = await opened();
    for (const start of [
      () => at.read.all(sql`SELECT ${"hunter2"} FROM nowhere`),
      () => at.read.get(sql`SELECT ${"hunter2"} FROM nowhere`),
      () => at.read.select({ x: sql`${"hunter2"}` }).from(sql`nowhere`),
      () => at.database.commit([at.write.run(sql`INSERT INTO nowhere VALUES (${"hunter2"})`)]),
    ]) {
      const error = await rejection(start());
      expect(error).toMatchObject({ code: "SQLITE_ERROR" });
      expect(isConstraintError(error)).toBe(false);
      expect(String(error)).not.toContain("hunter2");
    }
  });

  test("rejects an interactive transaction", async () => {
    await using at = await opened();
    expect(await rejection(at.write.transaction(async () => undefined))).toBeInstanceOf(TypeError);
  });

  test("finishes running operations before it closes, and rejects later ones", async () => {
    const at = await opened();
    const appended = [1, 2, 3].map((version) =>
      at.database.append(at.write.insert(item).values({ id: `${version}`, version })),
    );
    const counted = at.read.select().from(item).execute();
    await at[Symbol.asyncDispose]();
    await Promise.all([...appended, counted]);
    const late = [
      at.read.select().from(item),
      at.database.commit([at.write.delete(item)]),
      at.database.append(at.write.delete(item)),
    ];
    for (const statement of late) {
      expect(await rejection(statement)).toMatchObject({ code: "database_unavailable" });
    }
  });
});

describe("a database file", () => {
  test("is durable at each commit: write-ahead log, synchronous FULL", async () => {
    using file = temporaryFile();
    await using database = openTest({ url: file.url });
    const { write } = database;
    expect(await write.get<object>(sql`PRAGMA journal_mode`)).toEqual({ journal_mode: "wal" });
    expect(await write.get<object>(sql`PRAGMA synchronous`)).toEqual({ synchronous: 2 });
  });

  test("is complete in one file after closing", async () => {
    using file = temporaryFile();
    const database = openTest({ url: file.url });
    await createItems(database);
    await database.commit([database.write.insert(item).values({ id: "a", version: 1 })]);
    expect(await database.read.$count(item)).toBe(1);
    expect(statSync(`${file.path}-wal`).size).toBeGreaterThan(0);
    await database[Symbol.asyncDispose]();
    copyFileSync(file.path, `${file.path}.copy`);
    expect(await outside(`${file.path}.copy`, "SELECT count(*) AS n FROM item")).toEqual([{ n: 1 }]);
  });

  test("cannot be written through `read`", async () => {
    using file = temporaryFile();
    await using database = openTest({ url: file.url });
    await createItems(database);
    const insert = () => database.read.insert(item).values({ id: "a", version: 1 });
    expect(await rejection(insert())).toMatchObject({ code: "database_unavailable" });
    expect(await rejection(insert())).toMatchObject({ code: "database_unavailable" });
    expect(await database.read.$count(item)).toBe(0);
  });

  test("shows each acknowledged commit to `read` and to other programs", async () => {
    using file = temporaryFile();
    await using database = openTest({ url: file.url });
    await createItems(database);
    for (let count = 1; count <= 3; count++) {
      await database.commit([database.write.insert(item).values({ id: `${count}`, version: 1 })]);
      expect(await database.read.$count(item)).toBe(count);
      expect(await outside(file.path, "SELECT count(*) AS n FROM item")).toEqual([{ n: count }]);
    }
  });
});

describe("commit()", () => {
  test("an urgent commit goes before waiting ones", async () => {
    using file = temporaryFile();
    await using database = openTest({ url: file.url });
    await createItems(database);
    const commit = (id: string, isUrgent = false) =>
      database.commit([database.write.insert(item).values({ id, version: 1 })], { isUrgent });
    await Promise.all([commit("first"), commit("second"), commit("third"), commit("urgent", true)]);
    const rows = await database.read.select({ id: item.id }).from(item).orderBy(sql`rowid`);
    expect(rows.map(({ id }) => id)).toEqual(["urgent", "first", "second", "third"]);
  });

  test("the URL of the database decides whether it is local or remote", async () => {
    await using local = openTest();
    await using remote = openTest({ url: "http://127.0.0.1:9" });
    expect([local.kind, remote.kind]).toEqual(["local", "remote"]);
  });
});

describe("the error of a database file", () => {
  const cases: readonly (readonly [what: string, prepare: (path: string) => string, words: string])[] = [
    ["in a folder that does not exist", (path) => `${path}/none/x.db`, "folder"],
    ["that is a folder", (path) => path.slice(0, path.lastIndexOf("/")), "cannot be opened"],
    [
      "that is no database",
      (path) => {
        writeFileSync(path, "A text file, longer than the header of a database. ".repeat(99));
        return path;
      },
      "not a database",
    ],
  ];
  test.each(cases)("%s says what to do for reads and writes", async (...row) => {
    const [, prepare, words] = row;
    using file = temporaryFile();
    await using database = openTest({ url: `file:${prepare(file.path)}` });
    for (const statement of [
      () => database.read.get(sql`SELECT * FROM sqlite_master`),
      () => createItems(database),
    ]) {
      const error = await rejection(statement());
      expect(error).toMatchObject({ code: "database_unavailable", status: 503, retryAfterSeconds: 30 });
      expect(String(error)).toContain(words);
      expect(error instanceof Error && error.cause).toBeInstanceOf(Error);
    }
  });

  test("names a full disk, and the database works again once there is space", async () => {
    using file = temporaryFile();
    await using database = openTest({ url: file.url });
    await createItems(database);
    await database.write.run(sql`PRAGMA max_page_count = 4`);
    const big = (id: string) =>
      database.write.insert(item).values({ id, version: 1, bytes: Buffer.alloc(20_000) });
    const error = await rejection(database.commit([big("a")]));
    expect(error).toMatchObject({ code: "database_unavailable" });
    expect(String(error)).toContain("full");
    await database.commit([big("b")]);
    expect(await outside(file.path, "SELECT id FROM item")).toEqual([{ id: "b" }]);
  });
});

describe("a remote database", () => {
  test("that does not respond is unavailable", async () => {
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response(null, { status: 401 }),
    });
    await using database = openTest({ url: `http://127.0.0.1:${server.port}`, authToken: "x" });
    const insert = () => database.write.insert(item).values({ id: "a", version: 1 });
    expect(await rejection(database.commit([insert()]))).toMatchObject({ code: "database_unavailable" });
    await server.stop(true);
    for (const call of [() => database.append(insert()), () => database.read.select().from(item)]) {
      expect(await rejection(call())).toMatchObject({ code: "database_unavailable", retryAfterSeconds: 30 });
    }
  });
});
