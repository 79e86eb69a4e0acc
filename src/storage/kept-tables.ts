import { asc } from "drizzle-orm";
import type { KeptTable, Migration } from "../contracts/database.ts";
import { admin, apiKey, pluginConfig, policy, smtpServer } from "./schema.ts";

export const ADMINS: KeptTable<typeof admin.$inferSelect> = {
  name: "admin",
  select: (read) => read.select().from(admin).orderBy(asc(admin.realm), asc(admin.username)),
};
export const POLICIES: KeptTable<typeof policy.$inferSelect> = {
  name: "policy",
  select: (read) => read.select().from(policy).orderBy(asc(policy.priority), asc(policy.name)),
};
export const API_KEYS: KeptTable<typeof apiKey.$inferSelect> = {
  name: "api_key",
  select: (read) => read.select().from(apiKey).orderBy(asc(apiKey.name), asc(apiKey.createdAt)),
};
export const SETTINGS: KeptTable<typeof pluginConfig.$inferSelect> = {
  name: "plugin_config",
  select: (read) => read.select().from(pluginConfig),
};
export const SERVERS: KeptTable<typeof smtpServer.$inferSelect> = {
  name: "smtp_server",
  select: (read) => read.select().from(smtpServer).orderBy(asc(smtpServer.identifier)),
};
export const CORE_TABLES: readonly KeptTable<unknown>[] = [ADMINS, POLICIES, API_KEYS, SETTINGS, SERVERS];

/** The tables on which every right depends. */
export const ACCESS_TABLES: readonly KeptTable<unknown>[] = [ADMINS, POLICIES, API_KEYS];

/** Returns the migration of a plugin that creates the counter of a table and the triggers that count its changes. */
export function keptMigration(plugin: string, table: string): Migration {
  const counter = `INSERT INTO epoch (part, n) VALUES ('${table}', 1)`;
  const sql = [counter, ...triggersOf(table, "CREATE TRIGGER")].join(";\n--> statement-breakpoint\n");
  return { name: `${plugin}/kept_${table}`, sql };
}

/** Returns the table of a {@link keptMigration} by its name; `null` for another migration. */
export function keptTableOf(name: string): string | null {
  return /\/kept_(\w+)$/.exec(name)?.[1] ?? null;
}

/** Returns statements that count a change of any rows, and create the triggers that the table lost when it was dropped. */
export function restoreTriggers(table: string): readonly string[] {
  return [
    `UPDATE epoch SET n = n + 1 WHERE part = '${table}'`,
    ...triggersOf(table, "CREATE TRIGGER IF NOT EXISTS"),
  ];
}

function triggersOf(table: string, create: string): readonly string[] {
  return ["insert", "update", "delete"].map(
    (change) => `${create} epoch_${table}_${change} AFTER ${change.toUpperCase()} ON ${table}
      BEGIN UPDATE epoch SET n = n + 1 WHERE part = '${table}'; END`,
  );
}
