import { definePlugin } from "sealpost/plugin";
import { options, settings } from "./config.ts";
import migration from "./migrations/0001_pending.sql" with { type: "text" };
import { registrationRoutes } from "./routes.ts";
import { createPendingRepository, pending as pendingTable } from "./store.ts";

/** People make their own accounts: a code is mailed, and confirmed. */
export const registration = definePlugin({
  name: "registration",
  options,
  tables: { pending: pendingTable },
  migrations: [{ name: "0001_pending", sql: migration }],
  settings,
  requires: ["directory"],
  setup(ctx) {
    const pending = createPendingRepository(ctx.store);
    return {
      routes: registrationRoutes({ ctx, pending }),
      async prune() {
        await ctx.store.commit([pending.prune(ctx.time.now())]);
      },
    };
  },
});
