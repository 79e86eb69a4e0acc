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
  const sql = [counter, ...triggersOf(table)].join(";\n--> statement-breakpoint\n");
  return { name: `${plugin}/kept_${table}`, sql };
}

/** Returns the table of a {@link keptMigration}; `null` for another migration. */
export function keptTableOf({ name, sql }: Migration): string | null {
  const [, plugin = "", table = ""] = /^([^/]+)\/kept_(\w+)$/.exec(name) ?? [];
  return sql === keptMigration(plugin, table).sql ? table : null;
}

/**
 * Returns statements that count a change of any rows, and create the triggers again: a table that was dropped has lost
 * them, and one that was renamed has taken them with it.
 */
export function restoreTriggers(table: string): readonly string[] {
  return [
    `UPDATE epoch SET n = n + 1 WHERE part = '${table}'`,
    ...CHANGES.map((change) => `DROP TRIGGER IF EXISTS ${triggerName(table, change)}`),
    ...triggersOf(table),
  ];
}

const CHANGES = ["insert", "update", "delete"] as const;

function triggersOf(table: string): readonly string[] {
  return CHANGES.map(
    (change) => `CREATE TRIGGER ${triggerName(table, change)} AFTER ${change.toUpperCase()} ON ${table}
      BEGIN UPDATE epoch SET n = n + 1 WHERE part = '${table}'; END`,
  );
}

function triggerName(table: string, change: string): string {
  return `epoch_${table}_${change}`;
}
