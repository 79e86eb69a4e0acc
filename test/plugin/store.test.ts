import { expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { definePlugin, type KeptTable, type PluginStore, route } from "sealpost/plugin";
import * as v from "valibot";
import { openEmptyDatabase } from "../fixtures/database.ts";
import { realRandomBytes, testInstance } from "../fixtures/instance.ts";

test.each(["commit", "decide"] as const)(
  "%s() writes nothing for an admin who is disabled after the route has let them through",
  async (kind) => {
    const database = openEmptyDatabase({ randomBytes: realRandomBytes });
    const plugin = definePlugin({
      name: "late",
      options: v.object({}),
      migrations: [{ name: "0001", sql: "CREATE TABLE late_row (id TEXT)" }],
      rights: { late_write: "Write late" },
      setup(ctx) {
        const { read, write } = ctx.store;
        const statements = [write.run(sql`INSERT INTO late_row VALUES ('1')`)];
        const add = route({ method: "POST", path: "/late", right: "late_write" }, async () => {
          await database.commit([write.run(sql`UPDATE admin SET enabled = 0`)]);
          if (kind === "commit") await ctx.store.commit(statements);
          else await ctx.store.decide(statements, read.select({ id: sql`id` }).from(sql`late_row`));
          return true;
        });
        return { routes: [add] };
      },
    });
    await using instance = await testInstance({ database, plugins: [plugin()] });
    expect((await instance.request("POST", "/late")).status).toBe(401);
    expect(await database.read.all(sql`SELECT id FROM late_row`)).toEqual([]);
  },
);

const CREATED = "CREATE TABLE late_row (id TEXT)";
const LATER_VERSIONS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  "replaced by a copy": [
    [
      "CREATE TABLE late_new (id TEXT, note TEXT NOT NULL DEFAULT '')",
      "INSERT INTO late_new (id) SELECT id FROM late_row",
      "DROP TABLE late_row",
      "ALTER TABLE late_new RENAME TO late_row",
    ],
  ],
  "dropped and, by the next migration, created again": [["DROP TABLE late_row"], [CREATED]],
  "renamed and created again": [["ALTER TABLE late_row RENAME TO late_old", CREATED]],
};

test.each(Object.keys(LATER_VERSIONS))(
  "kept() returns every change of a table that a later version has %s",
  async (change) => {
    const later = LATER_VERSIONS[change] ?? [];
    const migrations = [
      { name: "0001", sql: CREATED },
      // Not a migration of Sealpost, though its name looks like one.
      { name: "kept_other", sql: "CREATE TABLE late_other (id TEXT)" },
      ...later.map((statements, at) => ({
        name: `000${at + 2}`,
        sql: statements.join("\n--> statement-breakpoint\n"),
      })),
    ];
    const rows: KeptTable<{ id: string }> = {
      name: "late_row",
      select: (read) => read.select({ id: sql<string>`id` }).from(sql`late_row`),
    };
    const start = (version: number) => {
      let store: PluginStore | undefined;
      const plugin = definePlugin({
        name: "late",
        options: v.object({}),
        migrations: migrations.slice(0, version),
        kept: [rows],
        setup(ctx) {
          store = ctx.store;
          return {};
        },
      });
      return testInstance({ database, plugins: [plugin()] }).then((instance) => ({ instance, store }));
    };
    const database = openEmptyDatabase({ randomBytes: realRandomBytes });
    await start(2);
    const { store, instance } = await start(migrations.length);
    await using _ = instance;
    for (const id of ["1", "2", "3"]) {
      await database.commit([database.write.run(sql`INSERT INTO late_row (id) VALUES (${id})`)]);
      expect(await store?.kept(rows)).toHaveLength(Number(id));
    }
  },
);
