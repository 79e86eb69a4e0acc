import { definePlugin, nameKey, userName } from "sealpost/plugin";
import * as v from "valibot";
import { createDirectory } from "./directory.ts";
import users from "./migrations/0001_users.sql" with { type: "text" };
import certificate from "./migrations/0002_certificate.sql" with { type: "text" };
import { userRoutes } from "./routes.ts";
import { createUserStore, user } from "./store.ts";

/** Users in Sealpost's own database, for hosts without a user directory of their own. */
export const directory = definePlugin({
  name: "directory",
  options: v.object({
    /** Realm of users that are named without one. */
    realm: v.optional(userName, "default"),
  }),
  tables: { user },
  migrations: [
    { name: "0001_users", sql: users },
    { name: "0002_certificate", sql: certificate },
  ],
  rights: {
    userlist: "List users",
    adduser: "Create users",
    updateuser: "Change users",
    deleteuser: "Delete users",
  },
  provides: ["directory"],
  events: ["user_add", "user_delete"],
  setup(ctx, { realm }) {
    const deps = { ...ctx, users: createUserStore(ctx.store), defaultRealm: nameKey(realm) };
    return { routes: userRoutes(deps), provides: { directory: createDirectory(deps) } };
  },
});
