import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { type SQL, sql } from "drizzle-orm";
import { recovery } from "sealpost/plugins/recovery";
import { registration } from "sealpost/plugins/registration";
import * as v from "valibot";
import { createBackupSource, createRestoreTarget } from "../../src/access/moves.ts";
import type { Database, Migration } from "../../src/contracts/database.ts";
import type { BackupSource, RestoreTarget } from "../../src/domain/backup.ts";
import { HOLD_MS } from "../../src/domain/queued-mail.ts";
import { backupRow } from "../../src/http/backup-schema.ts";
import { readPlugins } from "../../src/plugin/registry.ts";
import { pluginsOf } from "../../src/runtime/default-plugins.ts";
import { parseKeyring } from "../../src/secrets/keyring.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { MIGRATIONS } from "../../src/storage/migrations/index.ts";
import { openDatabase } from "../../src/storage/open-database.ts";
import { createSealedRepository } from "../../src/storage/sealed-values.ts";
import { openLimitedDatabase } from "../../src/testing/limited-database.ts";
import { startSqld } from "../../tools/sqld.ts";
import { KEYS, realRandomBytes, START, testInstance } from "../fixtures/instance.ts";
import { openInObject, stopObjects } from "../fixtures/object/connect.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";

setDefaultTimeout(TEST_MS);
afterAll(stopObjects);

const platform = { now: () => START, randomBytes: realRandomBytes };
const PLUGINS = readPlugins(pluginsOf({}));
const ALL: readonly Migration[] = [...MIGRATIONS, ...PLUGINS.migrations];
const OPTIONS = { replace: false };

const sourceOf = (database: Database) =>
  createBackupSource({ database, platform, sealed: createSealedRepository(database, PLUGINS.sealed) });
const targetOf = (database: Database, { migrations = ALL, keys = KEYS } = {}) =>
  createRestoreTarget({
    ...{ database, migrations, platform, audit: () => [] },
    sealed: createSealedRepository(database, migrations === ALL ? PLUGINS.sealed : []),
    dueTimes: migrations === ALL ? PLUGINS.dueTimes : [],
    transient: PLUGINS.transient,
    keyring: parseKeyring(keys),
  });

/** Moves all rows. @returns the number of held messages. */
async function move(source: BackupSource, target: RestoreTarget, options = OPTIONS): Promise<number> {
  const { id, header } = await source.begin();
  const restore = await target.begin(header, options);
  for (const table of header.tables)
    for (let start: number | null = 0; start !== null; ) {
      const { rows, next } = await source.page(id, table, start);
      // A call to a Worker rejects texts with a NUL.
      expect(v.is(v.array(backupRow), rows) && !JSON.stringify(rows).includes("\\u0000")).toBe(true);
      if (rows.length > 0) await target.insert(restore, table, rows);
      start = next;
    }
  await source.end(id);
  return (await target.finish(restore, header, options)).held;
}

/** Returns every row of every table, and the schema. */
async function contentsOf({ read }: Database): Promise<Record<string, unknown>> {
  const schema = await read.all<{ name: string; sql: string }>(
    sql`SELECT name, sql FROM sqlite_master WHERE substr(name, 1, 4) <> '_cf_' ORDER BY name`,
  );
  const tables = await read.all<{ name: string }>(sql`SELECT name FROM sqlite_master WHERE type = 'table'
    AND substr(name, 1, 4) <> '_cf_' AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name`);
  const rows = tables.map(async ({ name }) => {
    const found = await read.all(sql`SELECT * FROM ${sql.identifier(name)}`);
    return [name, found.map((row) => JSON.stringify(row)).toSorted()] as const;
  });
  return { schema, ...Object.fromEntries(await Promise.all(rows)) };
}

/** Without the copies of a backup or a restore, which the next one drops. */
function withoutMoves(contents: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(contents).filter(
    ([name]) => name !== "schema" && !name.startsWith("sealpost_"),
  );
  return Object.fromEntries(entries);
}

/** An instance with definitions, queued mail of two sizes, and an unusual table. */
async function filled() {
  const instance = await testInstance({ plugins: pluginsOf({}) });
  const { request, services } = instance;
  const main = { server: "mail.example.org", username: "u", password: "a password", sender: "a@example.org" };
  await request("POST", "/smtpserver/main", { json: main });
  for (const size of [10, 700_000, 900_000]) {
    const message = { to: [{ name: "", address: "b@example.net" }], subject: "s", text: "x".repeat(size) };
    await services.submit("main", message, { queue: true });
  }
  return instance;
}

describe("a backup", () => {
  test("moves into an object and back, with every row as it was and its queued mail held", async () => {
    await using instance = await filled();
    await using object = openInObject();
    await using last = openLimitedDatabase(platform);
    const before = await contentsOf(instance.database);
    expect(await move(sourceOf(instance.database), targetOf(object))).toBe(3);
    expect(await move(sourceOf(object), targetOf(last))).toBe(0);
    expect(await contentsOf(instance.database)).toEqual(before);
    await last.commit([last.write.run(sql`UPDATE mail SET due_at = due_at - ${HOLD_MS}`)]);
    const counters = { epoch: expect.anything() };
    expect({ ...(await contentsOf(last)), ...counters }).toEqual({ ...before, ...counters });
  });
});

test("a backup has the rows of the moment when it began", async () => {
  await using instance = await filled();
  const backup = sourceOf(instance.database);
  const { id, header } = await backup.begin();
  await instance.request("DELETE", "/smtpserver/main");
  await instance.request("POST", "/smtpserver/other", { json: { server: "mail.example.org" } });
  const table = header.tables.find(({ name }) => name === "smtp_server");
  if (table === undefined) throw new Error("There is no table");
  const { rows } = await backup.page(id, table, 0);
  expect(rows.map((row) => row[table.columns.indexOf("identifier")])).toEqual(["main"]);
  await backup.end(id);
  expect(
    Object.keys(await contentsOf(instance.database)).filter((name) => name.startsWith("sealpost_")),
  ).toEqual([]);
});

test("a backup keeps its rows when another one ends that began earlier", async () => {
  await using source = await filled();
  const backup = sourceOf(source.database);
  const first = await backup.begin();
  const { id, header } = await sourceOf(source.database).begin();
  await backup.end(first.id);
  const table = header.tables.find(({ name }) => name === "smtp_server");
  if (table === undefined) throw new Error("There is no table");
  expect((await backup.page(id, table, 0)).rows).toHaveLength(1);
});

const createForeign = (database: Database) =>
  database.commit([
    database.write.run(sql`CREATE TABLE shop_order (id INTEGER PRIMARY KEY)`),
    database.write.run(sql`INSERT INTO shop_order VALUES (7)`),
  ]);

test("a backup names the tables of other programs instead of moving them", async () => {
  await using instance = await filled();
  await createForeign(instance.database);
  await expect(sourceOf(instance.database).begin()).rejects.toThrow("put shop_order into another database");
  const names = Object.keys(await contentsOf(instance.database));
  expect(names.filter((name) => name.startsWith("sealpost_"))).toEqual([]);
});

/** Values that a driver or JSON would change. */
const VALUES = sql`INSERT INTO odd_kinds VALUES
  (1, 5, 5.0, '5', x'00ff', NULL), (9007199254740993, -9223372036854775808, 1e20, '1', '', 0.1),
  (3, 1e300, '', ${"a b \ud83d\ude00 \"'"}, x'', -0.5),
  (4, 9e999, -9e999, 'a' || char(0) || 'b', char(0), char(0xfeff, 0, 0x1f600))`;
const ODD: Migration = {
  name: "odd/0001",
  sql: "CREATE TABLE odd_kinds (id INTEGER PRIMARY KEY, a, b, c, d, e)",
};
/** Versions of SQLite quote an infinite number in two ways. */
const quoted = (column: SQL) => sql`replace(quote(${column}), '9.0e+999', 'Inf')`;
const kindsOf = ({ read }: Database) =>
  read.all(sql`SELECT id || '' AS id, ${quoted(sql`a`)} AS a, ${quoted(sql`b`)} AS b, hex(c) AS c, quote(d) AS d, quote(e) AS e,
    hex(d) || ' ' || hex(e) AS octets,
    typeof(a) || typeof(b) || typeof(c) || typeof(d) || typeof(e) AS kinds FROM odd_kinds ORDER BY odd_kinds.id`);

test("every kind of value arrives as it was", async () => {
  const migrations = [...MIGRATIONS, ODD];
  await using first = openLimitedDatabase(platform);
  await using second = openInObject();
  using data = temporaryFolder();
  await using server = await startSqld({ folder: data.path });
  await using third = openDatabase({ url: server.url, randomBytes: realRandomBytes });
  await using fourth = openDatabase({
    url: `file:${join(data.path, "file.db")}`,
    randomBytes: realRandomBytes,
  });
  await using last = openLimitedDatabase(platform);
  await migrate(first, migrations, platform);
  await first.commit([first.write.run(VALUES)]);
  const before = await kindsOf(first);
  expect(before).toHaveLength(4);
  await move(sourceOf(first), targetOf(second, { migrations }));
  await move(sourceOf(second), targetOf(third, { migrations }));
  await move(sourceOf(third), targetOf(fourth, { migrations }));
  await move(sourceOf(fourth), targetOf(last, { migrations }));
  for (const moved of [second, third, fourth, last]) expect(await kindsOf(moved)).toEqual(before);
});

test("IDs that were given are not given again", async () => {
  await using first = openLimitedDatabase(platform);
  await using second = openInObject();
  using data = temporaryFolder();
  await using server = await startSqld({ folder: data.path });
  await using third = openDatabase({ url: server.url, randomBytes: realRandomBytes });
  await using fourth = openDatabase({
    url: `file:${join(data.path, "file.db")}`,
    randomBytes: realRandomBytes,
  });
  await migrate(first, ALL, platform);
  const addPolicy = ({ write }: Database, name: string) =>
    write.all(sql`INSERT INTO policy (name, scope, action, adminuser, adminrealm, client, time, active, priority, description)
      SELECT ${name}, 'admin', '[]', '[]', '[]', '[]', '', 1, 1, '' RETURNING id`);
  await first.commit([
    ...["a", "b", "c"].map((name) => addPolicy(first, name)),
    first.write.run(sql`DELETE FROM policy WHERE name <> 'a'`),
    first.write.run(sql`INSERT INTO mail_attempt VALUES (8, '', '', 0, '')`),
    first.write.run(sql`DELETE FROM mail_attempt`),
  ]);
  const lastIds = ({ read }: Database) =>
    read.all(sql`SELECT name, seq FROM sqlite_sequence WHERE seq > 0 ORDER BY name`);
  const before = await lastIds(first);
  await move(sourceOf(first), targetOf(second));
  await move(sourceOf(second), targetOf(third));
  await move(sourceOf(third), targetOf(fourth));
  for (const moved of [second, third, fourth]) {
    expect(await lastIds(moved)).toEqual(before);
    expect(await moved.commit([addPolicy(moved, "d")])).toEqual([[{ id: 4 }]]);
  }
});

describe("a restore", () => {
  test("migrates a backup of an older version", async () => {
    await using old = openLimitedDatabase(platform);
    await using target = openLimitedDatabase(platform);
    await migrate(old, MIGRATIONS.slice(0, 5), platform);
    await old.commit([
      old.write.run(sql`INSERT INTO policy (name, scope, action, adminuser, adminrealm, client, time, active, priority, description)
        SELECT 'p', 'admin', '[]', '[]', '[]', '[]', '', 1, 1, ''`),
    ]);
    await migrate(target, ALL, platform);
    await move(sourceOf(old), targetOf(target));
    expect(await migrate(target, ALL, platform)).toEqual([]);
    expect(await target.read.all(sql`SELECT name FROM policy`)).toEqual([{ name: "p" }]);
    expect(await target.read.all(sql`SELECT count(*) AS n FROM epoch WHERE part = 'api_key'`)).toEqual([
      { n: 1 },
    ]);
  });

  test("rejects a newer version, another text of a migration, and data of a plugin that is not loaded", async () => {
    await using source = openLimitedDatabase(platform);
    await using target = openLimitedDatabase(platform);
    await migrate(source, ALL, platform);
    const attempt = (migrations: readonly Migration[]) =>
      move(sourceOf(source), targetOf(target, { migrations }));
    await expect(attempt(ALL.filter(({ name }) => name !== "0014_api_key"))).rejects.toThrow(
      'The backup is of a newer version, with the migration "0014_api_key"',
    );
    await expect(attempt([{ ...MIGRATIONS[0], sql: "SELECT 1" }, ...ALL.slice(1)])).rejects.toThrow(
      'Migration "0001_core" differs',
    );
    await expect(attempt(MIGRATIONS)).rejects.toThrow(
      'data of the plugin "directory", which is not loaded here',
    );
  });

  test("rejects keys of another instance, by their IDs or by what they open", async () => {
    await using instance = await filled();
    await using target = openLimitedDatabase(platform);
    const attempt = (keys: string) => move(sourceOf(instance.database), targetOf(target, { keys }));
    const other = new Uint8Array(32).fill(9).toBase64();
    await expect(attempt(`second:${other}`)).rejects.toThrow(
      'encrypted with key "first", which is not among',
    );
    await expect(attempt(`first:${other}`)).rejects.toThrow(
      "The given keys do not open the backup: set SEALPOST_KEYS",
    );
    expect((await contentsOf(target)).schema).toEqual([]);
  });

  test("needs an instance as its first start leaves it, unless that is to be replaced", async () => {
    await using source = await filled();
    await using fresh = await testInstance({ plugins: pluginsOf({}) });
    await using used = await filled();
    await move(sourceOf(source.database), targetOf(fresh.database));
    const again = () => move(sourceOf(source.database), targetOf(used.database));
    await expect(again()).rejects.toThrow(
      "This instance has data (smtp_server); restore into a new instance",
    );
    await used.request("POST", "/smtpserver/other", { json: { server: "other.example.org" } });
    await move(sourceOf(source.database), targetOf(used.database), { replace: true });
    const names = await used.database.read.all(sql`SELECT identifier FROM smtp_server`);
    expect(names).toEqual([{ identifier: "main" }]);
  });

  test("takes an instance that only open requests have reached", async () => {
    await using source = await filled();
    const options = { enabled: true, leastAnswerMs: 0 };
    const plugins = pluginsOf({ plugins: [recovery(options), registration({ enabled: true })] });
    await using fresh = await testInstance({ plugins });
    const person = { givenname: "N", surname: "N", email: "nobody@example.org" };
    for (const [path, json] of [
      ["/validate/check", { transaction_id: "123", user: "nobody", pass: "x" }],
      ["/validate/check", { transaction_id: "123", serial: "PIEM123", pass: "x" }],
      ["/validate/check", { user: "nobody", pass: "x" }],
      ["/recover", { user: "nobody", email: person.email }],
      ["/recover/reset", { user: "nobody", recoverycode: "x", password: "a long password" }],
      ["/register", { username: "nobody", ...person, password: "a long password" }],
      ["/register/confirm", { transaction_id: "123", code: "x" }],
      ["/auth", { username: "nobody", password: "x" }],
    ] as const)
      await fresh.request("POST", path, { json, token: null });
    expect(await contentsOf(fresh.database)).toMatchObject({
      audit: expect.arrayContaining([expect.anything()]),
      email_token_attempt: expect.arrayContaining([expect.anything()]),
      // A link that cannot be sent has no code.
      recovery_code: [],
    });
    expect(await move(sourceOf(source.database), targetOf(fresh.database))).toBe(3);
  });

  test("leaves the tables of other programs, and drops those of plugins that are not loaded", async () => {
    await using source = await filled();
    await using target = openLimitedDatabase(platform);
    await migrate(target, [...ALL, ODD], platform);
    await createForeign(target);
    await move(sourceOf(source.database), targetOf(target), { replace: true });
    expect(await target.read.all(sql`SELECT id FROM shop_order`)).toEqual([{ id: 7 }]);
    expect(Object.keys(await contentsOf(target))).not.toContain("odd_kinds");
  });

  test("rejects a backup with tables of other programs", async () => {
    await using source = await filled();
    await using target = openLimitedDatabase(platform);
    const { header } = await sourceOf(source.database).begin();
    const tables = [...header.tables, { name: "shop_order", columns: ["id"], rows: 0 }];
    await expect(targetOf(target).begin({ ...header, tables }, OPTIONS)).rejects.toThrow(
      "put shop_order into another database",
    );
  });

  test("that ends before its commit changes nothing, and a later one succeeds", async () => {
    await using source = await filled();
    await using target = await testInstance({ plugins: pluginsOf({}) });
    const { header } = await sourceOf(source.database).begin();
    const before = await contentsOf(target.database);
    const restore = targetOf(target.database);
    const id = await restore.begin(header, OPTIONS);
    const [table] = header.tables;
    if (table === undefined) throw new Error("There is no table");
    await expect(restore.finish(id, header, OPTIONS)).rejects.toThrow("Rows are missing");
    expect(withoutMoves(await contentsOf(target.database))).toEqual(withoutMoves(before));
    expect(await move(sourceOf(source.database), targetOf(target.database))).toBe(3);
    const { schema: _, ...tables } = await contentsOf(target.database);
    expect(Object.keys(tables)).toEqual(Object.keys(withoutMoves(before)));
  });

  test("that another one follows says so instead of naming a table", async () => {
    await using source = await filled();
    await using target = await testInstance({ plugins: pluginsOf({}) });
    const backup = sourceOf(source.database);
    const { id, header } = await backup.begin();
    const restore = targetOf(target.database);
    const first = await restore.begin(header, OPTIONS);
    await restore.begin(header, OPTIONS);
    const table = header.tables.find(({ name }) => name === "smtp_server");
    if (table === undefined) throw new Error("There is no table");
    const { rows } = await backup.page(id, table, 0);
    await expect(restore.insert(first, table, rows)).rejects.toThrow("Another restore has begun");
  });

  test("never reads rows of a backup that began later", async () => {
    await using source = await filled();
    const backup = sourceOf(source.database);
    const { id, header } = await backup.begin();
    await sourceOf(source.database).begin();
    const [table] = header.tables;
    if (table === undefined) throw new Error("There is no table");
    await expect(backup.page(id, table, 0)).rejects.toThrow("Another backup has begun");
  });
});
