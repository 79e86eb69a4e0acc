import { definePlugin, nameKey, userName } from "sealpost/plugin";
import * as v from "valibot";
import { createDirectory } from "./directory.ts";
import migration from "./migrations/0001_users.sql" with { type: "text" };
import { userRoutes } from "./routes.ts";
import { createUserRepository, user } from "./store.ts";

/** Users in Sealpost's own database, for plugins that need some and hosts that have none. */
export const directory = definePlugin({
  name: "directory",
  options: v.object({
    /** Realm of users whose realm nobody says. */
    realm: v.optional(userName, "default"),
  }),
  tables: { user },
  migrations: [{ name: "0001_users", sql: migration }],
  rights: { userlist: "List users", adduser: "Make users", deleteuser: "Delete users" },
  provides: ["directory"],
  events: ["user_add", "user_delete"],
  setup(ctx, { realm }) {
    const users = createUserRepository(ctx.store);
    const defaultRealm = nameKey(realm);
    return {
      routes: userRoutes({ ctx, users, defaultRealm }),
      provides: { directory: createDirectory({ ctx, users, defaultRealm }) },
    };
  },
});
