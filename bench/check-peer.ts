import { join } from "node:path";
import { createClient } from "@libsql/client";
import { eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/libsql";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { Hono } from "hono";

// The peer of bench/check.ts: the minimum of a trigger and a check, one batched read and one commit of two
// statements each, as durable as ours.
const [folder = ""] = process.argv.slice(2);
const client = createClient({ url: `file:${join(folder, "peer.db")}`, concurrency: 1 });
await client.execute("PRAGMA journal_mode = WAL");
await client.execute("PRAGMA synchronous = FULL");
await client.execute("CREATE TABLE user (name TEXT PRIMARY KEY, email TEXT NOT NULL)");
await client.execute(
  "CREATE TABLE token (user TEXT PRIMARY KEY, code TEXT NOT NULL, failed INTEGER NOT NULL)",
);
await client.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, user TEXT NOT NULL, info TEXT NOT NULL)");
const user = sqliteTable("user", { name: text("name").primaryKey(), email: text("email").notNull() });
const token = sqliteTable("token", {
  user: text("user").primaryKey(),
  code: text("code").notNull(),
  failed: integer("failed").notNull(),
});
const log = sqliteTable("log", { id: integer("id").primaryKey(), user: text("user"), info: text("info") });
const db = drizzle(client);

const readBoth = (name: string) =>
  db.batch([
    db.select().from(user).where(eq(user.name, name)),
    db.select().from(token).where(eq(token.user, name)),
  ]);

const app = new Hono()
  .get("/prepare", async (c) => {
    for (let index = 0; index < Number(c.req.query("users")); index++) {
      await db.insert(user).values({ name: `u${index}`, email: `u${index}@example.net` });
      await db.insert(token).values({ user: `u${index}`, code: "", failed: 0 });
    }
    return c.text("");
  })
  .get("/code", async (c) => c.text("123456"))
  .post("/validate/triggerchallenge", async (c) => {
    const { user: name } = await c.req.json<{ user: string }>();
    await readBoth(name);
    await db.batch([
      db.update(token).set({ code: "123456" }).where(eq(token.user, name)),
      db.insert(log).values({ user: name, info: "sent" }),
    ]);
    return c.json({ detail: { transaction_id: "1" } });
  })
  .post("/validate/check", async (c) => {
    const { user: name, pass } = await c.req.json<{ user: string; pass: string }>();
    await readBoth(name);
    const [updated] = await db.batch([
      db
        .update(token)
        .set({ code: "", failed: sql`0` })
        .where(sql`${token.user} = ${name} AND ${token.code} = ${pass}`),
      db.insert(log).values({ user: name, info: "checked" }),
    ]);
    return c.json({ result: { value: updated.rowsAffected > 0 } });
  });
// On a busy disk the preparation takes longer than the default of 10 s.
console.log(Bun.serve({ hostname: "127.0.0.1", port: 0, idleTimeout: 0, fetch: app.fetch }).url.origin);
