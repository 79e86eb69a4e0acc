import { describe, expect, test } from "bun:test";
import { mkdirSync, renameSync, rmdirSync } from "node:fs";
import { type Client, createClient, type InStatement, type ResultSet } from "@libsql/client/sqlite3";
import { openBackgroundClient } from "../../../src/storage/local/background-client.ts";
import { openLocalClient } from "../../../src/storage/local/client.ts";
import { locked, outside, temporaryFile } from "../fixtures/database.ts";

/** The live prepared statements of a connection; `busy` if one is in the middle of its rows. */
async function statementsOf(client: Pick<Client, "execute">) {
  const { rows } = await client.execute(
    "SELECT sql, run, busy FROM sqlite_stmt WHERE sql NOT LIKE '%sqlite_stmt%'",
  );
  return rows.map(({ sql, run, busy }) => ({ sql: String(sql), run: Number(run), busy: Number(busy) }));
}

function opened(open: (url: string) => ReturnType<typeof openBackgroundClient> = openLocalClient) {
  const file = temporaryFile();
  const client = open(file.url);
  const dispose = () => {
    client.close();
    file[Symbol.dispose]();
  };
  return { client, file, [Symbol.dispose]: dispose };
}

/** Repeats a use that finds the file locked: the driver ends a replaced connection in a thread of its own. */
async function untilFree(use: () => Promise<unknown>): Promise<void> {
  const isLocked = await use().then(
    () => false,
    (error) => {
      if (error.code === "SQLITE_BUSY") return true;
      throw error;
    },
  );
  if (isLocked) await untilFree(use);
}

const CREATE = "CREATE TABLE item (id TEXT PRIMARY KEY, version INTEGER)";
const FIND = "SELECT id, version FROM item WHERE id = ?";

describe("openLocalClient()", () => {
  test("prepares a repeated statement once, and leaves none in the middle of its rows", async () => {
    using at = opened();
    await at.client.execute(CREATE);
    for (let count = 0; count < 5; count++) {
      await at.client.batch(
        [
          { sql: "INSERT INTO item VALUES (?, ?)", args: [`${count}`, count] },
          { sql: "UPDATE item SET version = version + 1 RETURNING id", args: [] },
        ],
        "write",
      );
      expect((await at.client.execute({ sql: FIND, args: ["0"] })).rows).toMatchObject([
        { id: "0", version: count + 1 },
      ]);
    }
    const statements = await statementsOf(at.client);
    for (const text of ["INSERT INTO item", "UPDATE item", FIND]) {
      // The first use only marks the text as seen; the second one caches the statement.
      const runs = statements.filter(({ sql }) => sql.startsWith(text)).map(({ run }) => run);
      expect(Math.max(...runs)).toBe(4);
    }
    expect(statements.filter(({ busy }) => busy > 0)).toEqual([]);
  });

  test("keeps the values and rows of each use apart", async () => {
    using at = opened();
    await at.client.execute(CREATE);
    await at.client.execute("INSERT INTO item VALUES ('a', 1), ('b', 2), ('c', NULL)");
    const uses = ["a", "none", "b", "c", "a"].map((id) => at.client.execute({ sql: FIND, args: [id] }));
    const rows = (await Promise.all(uses)).map((result) => result.rows.map((row) => [row.id, row.version]));
    expect(rows).toEqual([[["a", 1]], [], [["b", 2]], [["c", null]], [["a", 1]]]);
    const [first, second] = await Promise.all(uses);
    expect(first?.rows).not.toBe(second?.rows);
  });

  test("caches a bounded number of statements, the most recently used", async () => {
    using at = opened();
    const use = (number: number) => at.client.execute(`SELECT ${number} AS n`);
    for (let number = 0; number < 400; number++) {
      await use(number);
      await use(number);
    }
    const again = [0, 50, 200, 399];
    for (const number of again) await use(number);
    const statements = await statementsOf(at.client);
    const runs = again.map((number) =>
      Math.max(...statements.filter(({ sql }) => sql === `SELECT ${number} AS n`).map(({ run }) => run)),
    );
    expect(runs).toEqual([1, 1, 2, 2]);
  });
});

for (const [name, open] of [
  ["openLocalClient()", openLocalClient],
  ["openBackgroundClient()", openBackgroundClient],
] as const) {
  describe(name, () => {
    test("sees schema changes of another process", async () => {
      using at = opened(open);
      const { client, file } = at;
      await client.execute(CREATE);
      const insert = () =>
        client.execute({ sql: "INSERT INTO item (id, version) VALUES (?, ?)", args: ["a", 1] });
      const find = async (sql = FIND) =>
        (await client.execute({ sql, args: ["a"] })).rows.map((row): object => ({ ...row }));
      const all = "SELECT * FROM item WHERE id = ?";
      await insert();
      expect([await find(), await find(all)]).toEqual(Array(2).fill([{ id: "a", version: 1 }]));
      await outside(file.path, "ALTER TABLE item ADD COLUMN more TEXT NOT NULL DEFAULT 'new'");
      expect([await find(), await find(all)]).toEqual([
        [{ id: "a", version: 1 }],
        [{ id: "a", version: 1, more: "new" }],
      ]);
      await outside(
        file.path,
        "ALTER TABLE item RENAME TO old",
        "CREATE TABLE item (version INTEGER, id TEXT)",
        "INSERT INTO item SELECT version + 1, id FROM old",
        "DROP TABLE old",
      );
      expect([await find(), await find(all)]).toEqual(Array(2).fill([{ id: "a", version: 2 }]));
      await insert();
      await outside(file.path, "DROP TABLE item");
      await expect(find()).rejects.toThrow("no such table");
      await expect(insert()).rejects.toThrow("no such table");
      await outside(file.path, CREATE);
      expect(await find()).toEqual([]);
      await insert();
      expect(await find()).toEqual([{ id: "a", version: 1 }]);
    });

    test("a failed statement is prepared again and works", async () => {
      using at = opened(open);
      await at.client.execute(CREATE);
      const insert = (id: string) => at.client.execute({ sql: "INSERT INTO item VALUES (?, 1)", args: [id] });
      await insert("a");
      await expect(insert("a")).rejects.toMatchObject({ code: "SQLITE_CONSTRAINT" });
      expect((await insert("b")).rowsAffected).toBe(1);
      expect(await outside(at.file.path, "SELECT id FROM item")).toEqual([{ id: "a" }, { id: "b" }]);
    });

    test("a write after a failed lock is not acknowledged and lost", async () => {
      using at = opened(open);
      await at.client.execute("PRAGMA journal_mode = WAL");
      await at.client.execute(CREATE);
      const insert = (id: string) =>
        at.client.batch([{ sql: "INSERT INTO item VALUES (?, 1)", args: [id] }, "SELECT 1"], "write");
      await insert("a");
      await using lock = await locked(at.file.path, "IMMEDIATE");
      await expect(insert("b")).rejects.toMatchObject({ code: "SQLITE_BUSY" });
      await lock.release();
      await at.client.reconnect();
      await untilFree(() => insert("c"));
      expect(await outside(at.file.path, "SELECT id FROM item")).toEqual([{ id: "a" }, { id: "c" }]);
    });

    test("returns and rejects what the driver's own client does", async () => {
      using at = opened(open);
      using other = temporaryFile();
      const plain = createClient({ url: other.url, concurrency: 1 });
      const blob = new Uint8Array([1, 2, 255]);
      const uses: readonly InStatement[][] = [
        [CREATE, "CREATE TABLE mixed (a, b)"],
        [{ sql: "INSERT INTO mixed VALUES (?, ?), (?, ?)", args: [7n, 1.5, blob, null] }],
        [{ sql: "INSERT INTO item VALUES (?, ?)", args: ["a", true] }, "SELECT 1 AS n, 2 AS n, 3"],
        ["SELECT a, b, typeof(a) FROM mixed", "UPDATE item SET version = 9 RETURNING id, version"],
        [{ sql: "UPDATE item SET version = ? WHERE id = ?", args: [10n, "a"] }, "PRAGMA user_version"],
        ["SELECT 1", { sql: "INSERT INTO item VALUES (?, 1)", args: ["a"] }],
        ["SELECT 1", "SELECT nothing FROM item"],
        [{ sql: "SELECT ?", args: [Number.NaN] }],
        [{ sql: "SELECT ?", args: [2n ** 63n] }],
        ["SELECT 9007199254740993"],
        ["SELECT count(*) FROM item", "SELECT id, version FROM item"],
      ];
      // The second use is that of a cached statement, unless the first has failed.
      for (const use of uses.flatMap((one) => [one, one]))
        expect(await outcomeOf(at.client, use)).toEqual(await outcomeOf(plain, use));
      plain.close();
    });
  });
}

test("a connection in the background that cannot be opened again fails when it is used, until it can", async () => {
  using at = opened(openBackgroundClient);
  const { client, file } = at;
  await client.execute(CREATE);
  const insert = (id: string) => client.batch([{ sql: "INSERT INTO item VALUES (?, 1)", args: [id] }]);
  await insert("a");
  renameSync(file.path, `${file.path}.away`);
  mkdirSync(file.path);
  await client.reconnect();
  await expect(insert("b")).rejects.toThrow("Unable to open connection");
  await client.reconnect();
  rmdirSync(file.path);
  renameSync(`${file.path}.away`, file.path);
  await insert("c");
  expect(await outside(file.path, "SELECT id FROM item")).toEqual([{ id: "a" }, { id: "c" }]);
});

/** The driver repeats the code in the errors of a batch. */
const PREFIXES = /^(?:SQLITE_\w+: )+/;

/** The results of a batch and of its last statement alone, or their errors. */
async function outcomeOf(
  client: Pick<Client, "batch" | "execute">,
  statements: InStatement[],
): Promise<unknown> {
  const last = statements.at(-1) ?? "";
  const uses = [() => client.batch(statements, "write"), async () => [await client.execute(last)]];
  const outcomes: unknown[] = [];
  for (const use of uses) outcomes.push(await resultOf(use));
  return outcomes;
}

async function resultOf(use: () => Promise<readonly ResultSet[]>): Promise<unknown> {
  try {
    return (await use()).map(({ columns, rows, rowsAffected }) => {
      const cells = rows.map((row) => [...Array.from(row), { ...row }, row.length]);
      return { columns, cells, rowsAffected };
    });
  } catch (error) {
    const { name, message, code, extendedCode, statementIndex } = error as Record<string, unknown>;
    return {
      name,
      message: code ? String(message).replace(PREFIXES, "") : "",
      code,
      extendedCode,
      statementIndex,
    };
  }
}
