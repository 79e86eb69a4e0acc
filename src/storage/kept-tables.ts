import { asc } from "drizzle-orm";
import type { KeptTable } from "../contracts/database.ts";
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

/** Returns the migration that creates the counter of a table and the triggers that count its changes. */
export function epochMigration(name: string): string {
  const counter = `INSERT INTO epoch (part, n) VALUES ('${name}', 1)`;
  const triggers = ["insert", "update", "delete"].map(
    (change) => `CREATE TRIGGER epoch_${name}_${change} AFTER ${change.toUpperCase()} ON ${name}
      BEGIN UPDATE epoch SET n = n + 1 WHERE part = '${name}'; END`,
  );
  return [counter, ...triggers].join(";\n--> statement-breakpoint\n");
}
