import { expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { definePlugin, route } from "sealpost/plugin";
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
