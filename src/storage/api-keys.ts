import { eq, sql } from "drizzle-orm";
import type { Database, SelectStatement, WriteStatement } from "../contracts/database.ts";
import type { ApiKey } from "../domain/api-key.ts";
import type { Epoch } from "./epoch.ts";
import { API_KEYS } from "./kept-tables.ts";
import { apiKey, apiKeyUse } from "./schema.ts";

/** A key with the hash by which it is found. */
export interface ApiKeyRow extends ApiKey {
  readonly hash: string;
}

/** API keys. Writes are unexecuted statements for `commit` and `append`. */
export interface ApiKeyRepository {
  /** Lists all keys by name. */
  list(): Promise<readonly ApiKeyRow[]>;
  /** Selects when each key was used, of those that were. */
  uses(): SelectStatement<{ readonly id: string; readonly usedAt: Date }>;
  insert(row: ApiKeyRow): WriteStatement;
  remove(id: string): WriteStatement;
  /** Stores a use, unless one of the last `intervalMs` milliseconds is stored, or the key is gone. */
  recordUse(id: string, now: Date, intervalMs: number): WriteStatement;
}

export function createApiKeyRepository({ read, write }: Database, epoch: Epoch): ApiKeyRepository {
  return {
    list: () => epoch.rows(API_KEYS),

    uses: () => read.select().from(apiKeyUse),

    insert: (row) => write.insert(apiKey).values(row),

    remove: (id) => write.delete(apiKey).where(eq(apiKey.id, id)),

    // A stored use in the future is from before the clock was set back.
    recordUse: (id, now, intervalMs) =>
      write.run(sql`
        INSERT INTO api_key_use (id, used_at)
        SELECT id, ${sql.param(now, apiKeyUse.usedAt)} FROM api_key WHERE id = ${id}
        ON CONFLICT (id) DO UPDATE SET used_at = excluded.used_at
        WHERE used_at <= excluded.used_at - ${intervalMs} OR used_at > excluded.used_at`),
  };
}
