import { and, eq, ne, sql } from "drizzle-orm";
import { type DirectoryLookAlikes, isOneOf, lookAlikeKeys, nameKey, type PluginStore } from "sealpost/plugin";
import { user } from "./store.ts";

/** Statements in one commit. */
const USERS_AT_ONCE = 200;

/** Creates the search for users by what their names look like. */
export function createLookAlikes({
  read,
  write,
  commit,
}: Pick<PluginStore, "read" | "write" | "commit">): DirectoryLookAlikes {
  return {
    /** A few users at a time: each commit is a step ahead, even if the process ends. */
    async prepare() {
      for (;;) {
        const columns = { id: user.id, username: user.username };
        const missing = await read
          .select(columns)
          .from(user)
          .where(eq(user.lookAlike, ""))
          .limit(USERS_AT_ONCE);
        if (missing.length === 0) return;
        const keys = await Promise.all(missing.map(({ username }) => lookAlikeKeys(username)));
        const updates = missing.map(({ id }, index) =>
          write
            .update(user)
            .set({ lookAlike: keys[index]?.[0] ?? "" })
            .where(eq(user.id, id)),
        );
        await commit(updates);
      }
    },

    exists(realm, keys, except = "") {
      const isAlike = and(isOneOf(user.lookAlike, keys), eq(user.realm, nameKey(realm)), ne(user.id, except));
      return sql`EXISTS (SELECT 1 FROM ${user} WHERE ${isAlike})`;
    },
  };
}
