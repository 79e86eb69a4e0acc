import { sql } from "drizzle-orm";
import { index, integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

// The tables as queries see them; `migrations/*.sql` makes them. `sealed.ts` says which columns are sealed.

/** Facts about this instance: the sealed check value and the sealed secret that signs tokens. */
export const instance = sqliteTable("instance", {
  name: text("name").primaryKey(),
  value: text("value").notNull(),
});

/** SMTP server definitions. */
export const smtpServer = sqliteTable("smtp_server", {
  id: text("id").primaryKey(),
  identifier: text("identifier").notNull().unique(),
  server: text("server").notNull(),
  port: integer("port").notNull(),
  username: text("username").notNull(),
  password: text("password").notNull(),
  sender: text("sender").notNull(),
  tls: integer("tls", { mode: "boolean" }).notNull(),
  timeout: integer("timeout").notNull(),
  enqueueJob: integer("enqueue_job", { mode: "boolean" }).notNull(),
  description: text("description").notNull(),
  smime: integer("smime", { mode: "boolean" }).notNull(),
  dontSendOnError: integer("dont_send_on_error", { mode: "boolean" }).notNull(),
  privateKey: text("private_key").notNull(),
  privateKeyPassword: text("private_key_password").notNull(),
  signingKey: text("signing_key").notNull(),
  certificate: text("certificate").notNull(),
  etagSeed: text("etag_seed").notNull(),
  version: integer("version").notNull(),
});

/** Who may log in. `generation` grows with each password change and voids the tokens before it. */
export const admin = sqliteTable(
  "admin",
  {
    id: text("id").primaryKey(),
    username: text("username").notNull(),
    realm: text("realm").notNull(),
    passwordHash: text("password_hash").notNull(),
    enabled: integer("enabled", { mode: "boolean" }).notNull(),
    generation: integer("generation").notNull(),
  },
  (table) => [uniqueIndex("admin_name").on(table.username, table.realm)],
);

/** Admin policies; list columns are JSON arrays, `action` a JSON object. */
export const policy = sqliteTable("policy", {
  id: integer("id").primaryKey({ autoIncrement: true }),
  name: text("name").notNull().unique(),
  scope: text("scope").notNull(),
  action: text("action", { mode: "json" }).$type<Record<string, boolean | string>>().notNull(),
  adminuser: text("adminuser", { mode: "json" }).$type<readonly string[]>().notNull(),
  adminrealm: text("adminrealm", { mode: "json" }).$type<readonly string[]>().notNull(),
  client: text("client", { mode: "json" }).$type<readonly string[]>().notNull(),
  time: text("time").notNull(),
  active: integer("active", { mode: "boolean" }).notNull(),
  priority: integer("priority").notNull(),
  description: text("description").notNull(),
});

/** One row: counts every change of admins and policies, so that a decision made on old ones is not stored. */
export const accessState = sqliteTable("access_state", {
  id: integer("id").primaryKey(),
  generation: integer("generation").notNull(),
});

/** What was done, by whom, with what result. Never a secret, a code or a body. */
export const audit = sqliteTable(
  "audit",
  {
    number: integer("number").primaryKey({ autoIncrement: true }),
    date: integer("date", { mode: "timestamp_ms" }).notNull(),
    action: text("action").notNull(),
    success: integer("success", { mode: "boolean" }).notNull(),
    administrator: text("administrator").notNull(),
    realm: text("realm").notNull(),
    client: text("client").notNull(),
    identifier: text("identifier").notNull(),
    recipient: text("recipient").notNull(),
    fields: text("fields").notNull(),
    outcome: text("outcome").notNull(),
    phase: text("phase").notNull(),
    info: text("info").notNull(),
    policies: text("policies").notNull(),
    requestId: text("request_id").notNull(),
    /** How many events this row stands for: failed log-ins of one address in one minute share a row. */
    count: integer("count").notNull().default(sql`1`),
    /** Same for the events that share a row; null for rows of their own. */
    shareKey: text("share_key").unique(),
  },
  (table) => [index("audit_date").on(table.date)],
);

/** Tries within a window, such as log-ins: those that failed, and those that are under way. */
export const tryWindow = sqliteTable("try_window", {
  key: text("key").primaryKey(),
  failed: integer("failed").notNull(),
  undecided: integer("undecided").notNull(),
  endsAt: integer("ends_at", { mode: "timestamp_ms" }).notNull(),
});
