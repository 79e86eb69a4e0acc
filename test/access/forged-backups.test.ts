import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { sql } from "drizzle-orm";
import { createBackupSource, createRestoreTarget } from "../../src/access/moves.ts";
import type { Database } from "../../src/contracts/database.ts";
import type { BackupHeader, BackupRow, BackupTable } from "../../src/domain/backup.ts";
import { readPlugins } from "../../src/plugin/registry.ts";
import { pluginsOf } from "../../src/runtime/default-plugins.ts";
import { parseKeyring } from "../../src/secrets/keyring.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { MIGRATIONS } from "../../src/storage/migrations/index.ts";
import { createSealedRepository } from "../../src/storage/sealed-values.ts";
import { openLimitedDatabase } from "../../src/testing/limited-database.ts";
import { KEYS, realRandomBytes, START, testInstance } from "../fixtures/instance.ts";
import { openInObject, stopObjects } from "../fixtures/object/connect.ts";
import { TEST_MS } from "../fixtures/process/child.ts";

setDefaultTimeout(TEST_MS);
afterAll(stopObjects);

const platform = { now: () => START, randomBytes: realRandomBytes };
const PLUGINS = readPlugins(pluginsOf({}));
const ALL = [...MIGRATIONS, ...PLUGINS.migrations];

interface Backup {
  readonly header: BackupHeader;
  readonly rows: ReadonlyMap<string, readonly BackupRow[]>;
}

/** Returns a backup with one admin and one definition. */
async function readBackup(): Promise<Backup> {
  await using instance = await testInstance({ plugins: pluginsOf({}) });
  const definition = { server: "mail.example.org", username: "ann", password: "a password" };
  await instance.request("POST", "/smtpserver/main", { json: definition });
  const sealed = createSealedRepository(instance.database, PLUGINS.sealed);
  const source = createBackupSource({ database: instance.database, platform, sealed });
  const { id, header } = await source.begin();
  const rows = new Map<string, readonly BackupRow[]>();
  for (const table of header.tables) rows.set(table.name, (await source.page(id, table, 0)).rows);
  return { header, rows };
}

async function restore(database: Database, { header, rows }: Backup): Promise<void> {
  const target = createRestoreTarget({
    ...{ database, migrations: ALL, platform, audit: () => [] },
    sealed: createSealedRepository(database, PLUGINS.sealed),
    dueTimes: PLUGINS.dueTimes,
    transient: PLUGINS.transient,
    keyring: parseKeyring(KEYS),
  });
  const options = { replace: true };
  const id = await target.begin(header, options);
  for (const table of header.tables) await target.insert(id, table, rows.get(table.name) ?? []);
  await target.finish(id, header, options);
}

const whole = await readBackup();
const withTables = (change: (tables: readonly BackupTable[]) => readonly BackupTable[]): Backup => ({
  ...whole,
  header: { ...whole.header, tables: change(whole.header.tables) },
});
const withMore = (table: BackupTable) => withTables((tables) => [...tables, table]);
const withColumns = (change: (columns: readonly string[]) => readonly string[]) =>
  withTables((tables) =>
    tables.map((one) => (one.name === "policy" ? { ...one, columns: change(one.columns) } : one)),
  );
function withAdmins(change: (row: BackupRow) => readonly BackupRow[]): Backup {
  const [admin] = whole.rows.get("admin") ?? [];
  if (admin === undefined) throw new Error("There is no admin");
  const admins = change(admin);
  const { header } = withTables((tables) =>
    tables.map((one) => (one.name === "admin" ? { ...one, rows: admins.length } : one)),
  );
  return { header, rows: new Map([...whole.rows, ["admin", admins]]) };
}
const withoutMigration = (text: string): Backup => {
  const migrations = whole.header.migrations.filter(({ name }) => name !== text);
  return { ...whole, header: { ...whole.header, migrations } };
};

const FORGED: readonly (readonly [what: string, backup: Backup, message: string])[] = [
  ["a table twice", withMore({ name: "admin", columns: ["id"], rows: 0 }), 'table "admin" already exists'],
  [
    "a table twice by another case",
    withMore({ name: "events_BINDING", columns: ["id"], rows: 0 }),
    "already exists",
  ],
  ["a column twice", withColumns((columns) => [...columns, "name"]), "duplicate column name: "],
  [
    "an unknown column",
    withColumns((columns) => [...columns, "other"]),
    "table policy has no column named other",
  ],
  [
    "an unknown table of a plugin",
    withMore({ name: "events_other", columns: ["id"], rows: 0 }),
    "no such table: events_other",
  ],
  ["no first migration", withoutMigration("0001_core"), "no such table: "],
  ["a table without its migration", withoutMigration("0008_epoch"), "no such table: epoch"],
  ["a row that lost a value", withAdmins((row) => [row.slice(1)]), "table admin has 6 columns but 5 values"],
  [
    "a row without values",
    withAdmins((row) => [row.map(() => null)]),
    "NOT NULL constraint failed: admin.id",
  ],
  ["a row twice", withAdmins((row) => [row, row]), "UNIQUE constraint failed: admin."],
  [
    "values of another kind",
    withAdmins((row) => [row.map(() => ({ blob: "AAAA" }))]),
    "cannot store BLOB value in TEXT column",
  ],
  [
    "an infinite number",
    withAdmins((row) => [row.map(() => ({ real: "-Infinity" }))]),
    "cannot store REAL value in INTEGER column",
  ],
  [
    "the table of migrations",
    withMore({ name: "migration", columns: ["name"], rows: 0 }),
    "no backup has the table migration",
  ],
  [
    "the table of used nonces",
    withMore({ name: "operator_nonce", columns: ["nonce"], rows: 0 }),
    "no backup has the table operator_nonce",
  ],
];

/** Opens a database with data that a restore would replace. */
async function opened(open: () => Database): Promise<Database> {
  const database = open();
  await migrate(database, ALL, platform);
  await database.commit([
    database.write.run(sql`INSERT INTO policy (name, scope, action, adminuser, adminrealm, client, time, active, priority, description)
      VALUES ('kept', 'admin', '[]', '[]', '[]', '[]', '', 1, 1, '')`),
  ]);
  return database;
}

describe.each([
  ["a file", () => openLimitedDatabase(platform)],
  ["an object", openInObject],
] as const)("a backup that was forged for %s", (_, open) => {
  test.each(FORGED)("with %s is 905 with the reason, and changes nothing", async (_what, backup, message) => {
    await using database = await opened(open);
    const rejection = restore(database, backup);
    await expect(rejection).rejects.toMatchObject({ code: "invalid_parameter", status: 400 });
    await expect(rejection).rejects.toThrow(message);
    await expect(rejection).rejects.not.toThrow("sealpost_restore_");
    expect(await database.read.all(sql`SELECT name FROM policy`)).toEqual([{ name: "kept" }]);
    expect(await migrate(database, ALL, platform)).toEqual([]);
    await restore(database, whole);
    expect(await database.read.all(sql`SELECT name FROM policy`)).toEqual([]);
  });
});

const ofOtherKey = (value: string): string => value.replace("first", "other");

/** Replaces the values of a column. */
function withValues(name: string, column: string, change: (value: string, row: BackupRow) => string): Backup {
  const at = whole.header.tables.find((table) => table.name === name)?.columns.indexOf(column) ?? -1;
  const rows = whole.rows.get(name) ?? [];
  const changed = rows.map((row) => row.with(at, change(String(row[at]), row)));
  expect(changed).not.toEqual(rows);
  return { ...whole, rows: new Map([...whole.rows, [name, changed]]) };
}

test.each([
  ["a key check of other keys", "instance", "value", (value: string) => value.replace(/.{4}$/, "AAAA")],
  [
    "a token secret that was changed",
    "instance",
    "value",
    (value: string, [name]: BackupRow) => (name === "token_secret" ? value.replace(/.{4}$/, "AAAA") : value),
  ],
  [
    "an empty token secret",
    "instance",
    "value",
    (value: string, [name]: BackupRow) => (name === "token_secret" ? "" : value),
  ],
  ["a password of an unknown key", "smtp_server", "password", ofOtherKey],
] as const)("a backup with %s is rejected before it replaces anything", async (_, table, column, change) => {
  await using database = await opened(() => openLimitedDatabase(platform));
  await expect(restore(database, withValues(table, column, change))).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringContaining("set SEALPOST_KEYS, or the key file"),
  });
  expect(await database.read.all(sql`SELECT name FROM policy`)).toEqual([{ name: "kept" }]);
  await restore(database, whole);
});

test("a column is found in any letter case, as the database finds it", async () => {
  await using database = await opened(() => openLimitedDatabase(platform));
  const { header, rows } = withValues("smtp_server", "password", ofOtherKey);
  const tables = header.tables.map((one) => ({
    ...one,
    columns: one.columns.map((column) => column.toUpperCase()),
  }));
  await expect(restore(database, { header: { ...header, tables }, rows })).rejects.toMatchObject({
    code: "conflict",
  });
  expect(await database.read.all(sql`SELECT name FROM policy`)).toEqual([{ name: "kept" }]);
});

test("a backup without any sealed column is restored as far as it fits", async () => {
  await using database = await opened(() => openLimitedDatabase(platform));
  await restore(
    database,
    withTables((tables) => tables.filter(({ name }) => name === "policy")),
  );
  expect(await database.read.all(sql`SELECT name FROM policy`)).toEqual([]);
});

test("a restore keeps the counters of its migrations, whatever the backup has in their table", async () => {
  await using database = openLimitedDatabase(platform);
  const { header } = withTables((tables) =>
    tables.map((one) => (one.name === "epoch" ? { ...one, rows: 0 } : one)),
  );
  await restore(database, { header, rows: new Map([...whole.rows, ["epoch", []]]) });
  const parts = await database.read.all(sql`SELECT part FROM epoch`);
  expect(parts).toHaveLength(whole.rows.get("epoch")?.length ?? 0);
});
