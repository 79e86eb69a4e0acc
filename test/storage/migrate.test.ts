import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import type { Migration } from "../../src/contracts/database.ts";
import { Epoch } from "../../src/storage/epoch.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { MIGRATIONS } from "../../src/storage/migrations/index.ts";
import { createSmtpServerRepository } from "../../src/storage/smtp-servers.ts";
import { openTest, outside, temporaryFile } from "./fixtures/database.ts";
import { STEPS } from "./fixtures/steps.ts";
import { runTogether } from "./fixtures/together.ts";

const PROCESSES = 6;
const ROUNDS = process.env.LONG_TESTS === "1" ? 20 : 3;
const LONGEST_MS = 10_000 * ROUNDS;

const platform = { now: () => new Date(1_790_000_000_000) };
const names = STEPS.map((step) => step.name);

async function refusal(
  migrations: readonly Migration[],
  applied: readonly Migration[] = [],
): Promise<unknown> {
  await using database = openTest();
  await migrate(database, applied, platform);
  const error = await migrate(database, migrations, platform).catch((reason: unknown) => reason);
  const tables = sql`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('migration', 'one')`;
  expect(await database.read.all(tables)).toEqual([]);
  return error;
}

describe("migrate()", () => {
  test("applies each migration once, in order, and records it", async () => {
    await using database = openTest();
    expect(await migrate(database, STEPS.slice(0, 2), platform)).toEqual(names.slice(0, 2));
    expect(await migrate(database, STEPS, platform)).toEqual(names.slice(2));
    expect(await migrate(database, STEPS, platform)).toEqual([]);
    expect(await database.read.all<object>(sql`SELECT * FROM one`)).toEqual([
      { id: "x", n: 11, more: "a;b" },
    ]);
    const recorded = await database.read.all<object>(sql`SELECT * FROM migration ORDER BY name`);
    const digest = new Bun.CryptoHasher("sha256").update(STEPS[0]?.sql ?? "").digest("hex");
    expect(recorded).toHaveLength(3);
    expect(recorded[0]).toEqual({ name: "0001_one", hash: digest, applied_at: platform.now().getTime() });
  });

  test("leaves nothing of a failed migration", async () => {
    const bad = {
      name: "0004_bad",
      sql: "CREATE TABLE left_over (a)\n--> statement-breakpoint\nINSERT INTO one (id) VALUES ('y'), ('y')",
    };
    expect(await refusal([...STEPS, bad], STEPS)).toMatchObject({
      code: "SQLITE_CONSTRAINT",
      message: expect.stringContaining('Migration "0004_bad" failed: '),
    });
  });

  test("rejects a database of a newer version", async () => {
    const error = await refusal(STEPS.slice(0, 2), STEPS);
    expect(error).toMatchObject({ code: "bad_setting" });
    expect(String(error)).toContain('newer Sealpost with the migration "0003_three"');
  });

  test("rejects a migration whose text has changed, except for line ends", async () => {
    const [first, ...rest] = STEPS;
    const edited = { name: "0001_one", sql: `${first?.sql} -- edited` };
    expect(await refusal([edited, ...rest], STEPS)).toMatchObject({ code: "bad_setting" });
    await using database = openTest();
    await migrate(database, STEPS, platform);
    const windows = STEPS.map((step) => ({ ...step, sql: step.sql.replaceAll("\n", "\r\n") }));
    expect(await migrate(database, windows, platform)).toEqual([]);
  });

  test.each([
    "CREATE TABLE a (b); CREATE TABLE c (d);",
    "INSERT INTO one (id) VALUES ('it''s; fine');\nDELETE FROM one",
    "/* ; */ SELECT 1 /* ; */ ; /* x */ SELECT 2",
  ])("rejects two statements in one, because the driver would run only the first: %p", async (text) => {
    expect(await refusal([...STEPS, { name: "0004_two", sql: text }], STEPS)).toBeInstanceOf(TypeError);
  });

  test("sets the defaults of new columns for the definitions of an older database", async () => {
    await using database = openTest();
    const published = MIGRATIONS.filter(({ name }) => name <= "0003_plugins");
    await migrate(database, published, platform);
    await database.write.run(sql`INSERT INTO smtp_server
      (id, identifier, server, port, username, password, sender, tls, timeout, enqueue_job, description, smime,
        dont_send_on_error, private_key, private_key_password, signing_key, certificate, max_connections, etag_seed, version)
      VALUES ('1', 'office', 'mail.example.org', 587, '', '', '', 1, 10, 0, '', 0, 0, '', '', '', '', 3, 'seed', 4)`);
    await migrate(database, MIGRATIONS, platform);
    expect(await createSmtpServerRepository(database, new Epoch(database)).find("office")).toMatchObject({
      ...{ server: "mail.example.org", maxConnections: 3, version: 4 },
      ...{ pipelining: "auto", authMechanism: "auto" },
    });
  });

  test("creates Sealpost's own tables", async () => {
    await using database = openTest();
    expect(await migrate(database, MIGRATIONS, platform)).toEqual(MIGRATIONS.map(({ name }) => name));
  });

  test("keeps the messages of a database from before content was kept for a retry", async () => {
    await using database = openTest();
    const { write } = database;
    await migrate(database, MIGRATIONS.slice(0, 3), platform);
    const insert = (id: string) =>
      write.run(sql`INSERT INTO mail VALUES (${id}, 'queued', 'a', 'a', '[]', 'host', '<m>', 's@example.org', 'notice',
        'repeat', '[]', 0, 0, NULL, 1, 0, NULL, 0, 0)`);
    await database.commit([
      insert("1"),
      insert("2"),
      write.run(sql`INSERT INTO mail_content SELECT id, 'v1.x' FROM mail`),
    ]);
    await migrate(database, MIGRATIONS, platform);
    await database.commit([write.run(sql`UPDATE mail SET due_at = NULL WHERE id = '1'`)]);
    expect(await database.read.all<object>(sql`SELECT id FROM mail_content`)).toEqual([{ id: "2" }]);
    expect(await database.read.all<object>(sql`SELECT id, content_until FROM mail`)).toEqual([
      { id: "1", content_until: null },
      { id: "2", content_until: null },
    ]);
  });

  test(
    `${PROCESSES} processes migrate a new file concurrently: all succeed, and each step is applied once`,
    async () => {
      for (let round = 0; round < ROUNDS; round++) {
        using file = temporaryFile();
        const program = join(import.meta.dir, "fixtures", "migrate-once.ts");
        const results = await runTogether(program, Array(PROCESSES).fill([file.url]));
        expect(results.map((result) => result.exitCode)).toEqual(Array(PROCESSES).fill(0));
        const applied = results.flatMap((result) => JSON.parse(result.output));
        expect(applied.toSorted()).toEqual([...names]);
        expect(await outside(file.path, "SELECT n FROM one")).toEqual([{ n: 11 }]);
      }
    },
    LONGEST_MS,
  );
});
