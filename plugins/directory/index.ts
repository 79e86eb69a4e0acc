import { definePlugin, nameKey } from "sealpost/plugin";
import { options, settings } from "./config.ts";
import { createDirectory } from "./directory.ts";
import { createEmailChangeStore, emailChange } from "./email-change.ts";
import users from "./migrations/0001_users.sql" with { type: "text" };
import certificate from "./migrations/0002_certificate.sql" with { type: "text" };
import change from "./migrations/0003_email_change.sql" with { type: "text" };
import lookAlike from "./migrations/0004_look_alike.sql" with { type: "text" };
import heldCertificate from "./migrations/0005_held_certificate.sql" with { type: "text" };
import { realmRoutes } from "./realms.ts";
import { userRoutes } from "./routes.ts";
import { createUserStore, user } from "./store.ts";

/** Users in Sealpost's own database, for hosts without a user directory of their own. */
export const directory = definePlugin({
  name: "directory",
  options,
  settings,
  tables: { user, emailChange },
  migrations: [
    { name: "0001_users", sql: users },
    { name: "0002_certificate", sql: certificate },
    { name: "0003_email_change", sql: change },
    { name: "0004_look_alike", sql: lookAlike },
    { name: "0005_held_certificate", sql: heldCertificate },
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
    const emailChanges = createEmailChangeStore(ctx.store);
    const deps = {
      ...ctx,
      emailChanges,
      users: createUserStore(ctx.store, emailChanges),
      defaultRealm: nameKey(realm),
    };
    return {
      routes: [...userRoutes(deps), ...realmRoutes(deps)],
      provides: { directory: createDirectory(deps) },
      prune: async () => void (await ctx.store.commit([emailChanges.prune(ctx.time.now())])),
    };
  },
});
