import { eq, sql } from "drizzle-orm";
import type { Database } from "../contracts/database.ts";
import { type Epoch, SETTINGS } from "./epoch.ts";
import { pluginConfig } from "./schema.ts";

export type SettingRow = typeof pluginConfig.$inferSelect;
export type SettingsRepository = ReturnType<typeof createSettingsRepository>;

/** What admins have set at run time, by key. What writes is an unexecuted statement for `commit`. */
export function createSettingsRepository({ write }: Database, epoch: Epoch) {
  return {
    /** Those of these keys that are set. */
    async find(keys: readonly string[]): Promise<SettingRow[]> {
      if (keys.length === 0) return [];
      return (await epoch.rows(SETTINGS)).filter(({ key }) => keys.includes(key));
    },

    put(row: SettingRow) {
      const set = { value: sql`excluded.value`, sealed: sql`excluded.sealed` };
      return write.insert(pluginConfig).values(row).onConflictDoUpdate({ target: pluginConfig.key, set });
    },

    remove(key: string) {
      return write.delete(pluginConfig).where(eq(pluginConfig.key, key));
    },
  };
}
