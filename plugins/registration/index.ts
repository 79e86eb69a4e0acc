import { definePlugin } from "sealpost/plugin";
import { options, settings } from "./config.ts";
import migration from "./migrations/0001_pending.sql" with { type: "text" };
import { registrationRoutes } from "./routes.ts";
import { createPendingStore, pending as pendingTable } from "./store.ts";

/** Users create their own accounts, and confirm them with a code sent by email. */
export const registration = definePlugin({
  name: "registration",
  options,
  tables: { pending: pendingTable },
  migrations: [{ name: "0001_pending", sql: migration }],
  settings,
  requires: ["directory"],
  setup(ctx) {
    const pending = createPendingStore(ctx.store);
    return {
      routes: registrationRoutes({ ...ctx, pending }),
      async prune() {
        await ctx.store.commit([pending.prune(ctx.time.now())]);
      },
    };
  },
});
