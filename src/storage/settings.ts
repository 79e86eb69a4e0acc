import { eq, sql } from "drizzle-orm";
import type { Database, WriteStatement } from "../contracts/database.ts";
import type { Epoch } from "./epoch.ts";
import { SETTINGS } from "./kept-tables.ts";
import { pluginConfig } from "./schema.ts";

export type SettingRow = typeof pluginConfig.$inferSelect;

/** Settings of plugins that admins have changed, by key. Writes are unexecuted statements for `commit`. */
export interface SettingsRepository {
  /** Returns the rows of these keys. A key without a value has no row. */
  find(keys: readonly string[]): Promise<SettingRow[]>;
  put(row: SettingRow): WriteStatement;
  remove(key: string): WriteStatement;
}

export function createSettingsRepository({ write }: Database, epoch: Epoch): SettingsRepository {
  return {
    async find(keys) {
      if (keys.length === 0) return [];
      return (await epoch.rows(SETTINGS)).filter(({ key }) => keys.includes(key));
    },

    put(row) {
      const set = { value: sql`excluded.value`, sealed: sql`excluded.sealed` };
      return write.insert(pluginConfig).values(row).onConflictDoUpdate({ target: pluginConfig.key, set });
    },

    remove: (key) => write.delete(pluginConfig).where(eq(pluginConfig.key, key)),
  };
}
