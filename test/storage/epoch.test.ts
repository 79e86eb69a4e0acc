import { describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { emailToken } from "sealpost/plugins/email-token";
import { events } from "sealpost/plugins/events";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import { readPlugins } from "../../src/plugin/registry.ts";
import { Epoch, untilCommitted } from "../../src/storage/epoch.ts";
import { ADMINS, CORE_TABLES, POLICIES } from "../../src/storage/kept-tables.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { MIGRATIONS } from "../../src/storage/migrations/index.ts";
import { openTest, outside, temporaryFile } from "./fixtures/database.ts";

const platform = { now: () => new Date(1_790_000_000_000) };
const PLUGINS = readPlugins([events(), smsGateway(), emailToken()]);
const TABLES = [...CORE_TABLES, ...PLUGINS.kept].map(({ name }) => name);

async function open(options: Parameters<typeof openTest>[0] = {}) {
  const database = openTest(options);
  await migrate(database, [...MIGRATIONS, ...PLUGINS.migrations], platform);
  return database;
}
type TestDatabase = Awaited<ReturnType<typeof open>>;

async function counterOf({ read }: TestDatabase, table: string): Promise<number> {
  const row = await read.get<{ n: number }>(sql`SELECT n FROM epoch WHERE part = ${table}`);
  return row.n;
}

/** Inserts a row with a value in each required column. */
async function insertAny(
  { read, write, commit }: TestDatabase & { commit: TestDatabase["commit"] },
  table: string,
) {
  const columns = await read.all<{ name: string; type: string; notnull: number; pk: number }>(
    sql.raw(`PRAGMA table_info(${table})`),
  );
  const wanted = columns.filter(
    ({ notnull, type, pk }) => notnull === 1 && !(pk === 1 && type === "INTEGER"),
  );
  const values = wanted.map(({ type }) => (type === "INTEGER" ? "1" : "'[]'"));
  const names = wanted.map(({ name }) => `"${name}"`);
  await commit([write.run(sql.raw(`INSERT INTO ${table} (${names.join()}) VALUES (${values.join()})`))]);
  return wanted[0]?.name ?? "";
}

describe("after all migrations, the epoch counts", () => {
  for (const table of TABLES) {
    test(`each insert, update and delete of ${table}`, async () => {
      await using database = await open();
      const commit = database.commit.bind(database) as TestDatabase["commit"];
      const start = await counterOf(database, table);
      const column = await insertAny(Object.assign(database, { commit }), table);
      expect(await counterOf(database, table)).toBe(start + 1);
      await commit([database.write.run(sql.raw(`UPDATE ${table} SET "${column}" = "${column}"`))]);
      expect(await counterOf(database, table)).toBe(start + 2);
      await commit([database.write.run(sql.raw(`DELETE FROM ${table}`))]);
      expect(await counterOf(database, table)).toBe(start + 3);
    });
  }
});

describe("kept rows", () => {
  const insert = (id: string) => sql`
    INSERT INTO admin (id, username, realm, password_hash, enabled, generation) VALUES (${id}, ${id}, '', '', 1, 1)`;

  test("show the change of another connection at the next request", async () => {
    await using database = await open();
    const [one, other] = [new Epoch(database), new Epoch(database)];
    expect(await one.run(() => one.rows(ADMINS))).toEqual([]);
    expect(await other.run(() => other.rows(ADMINS))).toEqual([]);
    await database.commit([database.write.run(insert("ann"))]);
    for (const epoch of [one, other]) {
      expect((await epoch.run(() => epoch.rows(ADMINS))).map(({ id }) => id)).toEqual(["ann"]);
    }
  });

  test("are from one moment within a request, and current after it", async () => {
    await using database = await open();
    const epoch = new Epoch(database);
    const { promise: isOver, resolve: end } = Promise.withResolvers<void>();
    let afterwards: Promise<number> = Promise.resolve(0);
    await epoch.run(async () => {
      expect(await epoch.rows(ADMINS)).toHaveLength(0);
      await database.commit([database.write.run(insert("ann"))]);
      expect(await epoch.rows(ADMINS)).toHaveLength(0);
      afterwards = isOver.then(async () => (await epoch.rows(ADMINS)).length);
    });
    end();
    expect(await afterwards).toBe(1);
  });

  test("stop a commit that was based on older ones, and are current at the next attempt", async () => {
    await using database = await open();
    const epoch = new Epoch(database);
    await epoch.run(async () => {
      expect(await epoch.rows(POLICIES)).toHaveLength(0);
      await database.commit([database.write.run(insert("eve"))]);
      const statement = database.write.run(insert("ann"));
      expect(await epoch.commit([ADMINS], [statement])).toBeNull();
      expect((await epoch.rows(ADMINS)).map(({ id }) => id)).toEqual(["eve"]);
      expect(await epoch.commit([ADMINS], [statement])).not.toBeNull();
    });
    expect(await epoch.run(() => epoch.rows(ADMINS))).toHaveLength(2);
  });

  test("stop a commit whose right is gone", async () => {
    await using database = await open();
    const epoch = new Epoch(database);
    const denied = new Error("No longer allowed");
    const committing = epoch.run(async () => {
      await epoch.rows(ADMINS);
      let isAllowed = true;
      await epoch.allow(async () => {
        if (!isAllowed) throw denied;
      });
      isAllowed = false;
      await database.commit([database.write.run(insert("eve"))]);
      return epoch.commit([], [database.write.run(insert("ann"))]);
    });
    expect(await committing.catch((error: unknown) => error)).toBe(denied);
    expect(await epoch.run(() => epoch.rows(ADMINS))).toHaveLength(1);
  });

  test("depend on every right that was checked, not only on the last", async () => {
    await using database = await open();
    const epoch = new Epoch(database);
    const denied = new Error("The first right is gone");
    const committing = epoch.run(async () => {
      let isAllowed = true;
      await epoch.allow(async () => {
        if (!isAllowed) throw denied;
      });
      await epoch.allow(async () => undefined);
      await epoch.rows(ADMINS);
      isAllowed = false;
      await database.commit([database.write.run(insert("eve"))]);
      return epoch.commit([], [database.write.run(insert("ann"))]);
    });
    expect(await committing.catch((error: unknown) => error)).toBe(denied);
  });
});

describe("kept rows of a file", () => {
  const insert = (id: string): string =>
    `INSERT INTO admin (id, username, realm, password_hash, enabled, generation) VALUES ('${id}', '${id}', '', '', 1, 1)`;
  const ids = async (epoch: Epoch) => (await epoch.run(() => epoch.rows(ADMINS))).map(({ id }) => id);

  test("show commits of another process, another connection and their own", async () => {
    using file = temporaryFile();
    await using database = await open({ url: file.url });
    await using other = openTest({ url: file.url });
    const epoch = new Epoch(database);
    expect(await ids(epoch)).toEqual([]);
    for (let round = 0; round < 5; round++) {
      await outside(file.path, insert(`a${round}`));
      expect(await ids(epoch)).toContain(`a${round}`);
      await other.commit([other.write.run(insert(`b${round}`))]);
      expect(await ids(epoch)).toContain(`b${round}`);
      await database.commit([database.write.run(insert(`c${round}`))]);
      expect(await ids(epoch)).toContain(`c${round}`);
    }
    expect(await ids(epoch)).toHaveLength(15);
  });

  test("are proved by the change mark of the file alone while no one commits", async () => {
    using file = temporaryFile();
    await using database = await open({ url: file.url });
    await database.read.all("SELECT 1");
    expect(database.changeMark?.()).not.toBeNull();
    const epoch = new Epoch(database);
    await ids(epoch);
    await ids(epoch);
    const mark = database.changeMark?.();
    expect(database.changeMark?.()).toBe(mark);
    await outside(file.path, insert("ann"));
    expect(database.changeMark?.()).not.toBe(mark);
  });

  test("have no change mark in memory, where one connection reads and writes", async () => {
    await using database = await open();
    expect(database.changeMark?.() ?? null).toBeNull();
  });
});

describe("untilCommitted()", () => {
  test.each(["within a unit of work", "outside one"])(
    "%s, repeats a decision on rows that have changed",
    async (where) => {
      await using database = await open();
      const epoch = new Epoch(database);
      await epoch.rows(ADMINS);
      const commit = database.commit.bind(database) as TestDatabase["commit"];
      let decisions = 0;
      const decide = () =>
        untilCommitted(epoch, async () => {
          await epoch.rows(ADMINS);
          if (++decisions === 1) await insertAny(Object.assign(database, { commit }), "admin");
          return epoch.commit([ADMINS], [database.write.run(sql`DELETE FROM audit`)]);
        });
      await (where === "outside one" ? decide() : epoch.run(decide));
      expect(decisions).toBe(2);
    },
  );
});
