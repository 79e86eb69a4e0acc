import { definePlugin } from "sealpost";
import migration from "./migrations/0001_pending.sql" with { type: "text" };
import { createPendingRepository } from "./store.ts";
import { registrationRoutes } from "./routes.ts";
import { options, settings } from "./config.ts";
import { pending as pendingTable } from "./tables.ts";

/** People make their own accounts: a code is mailed, and confirmed. */
export const registration = definePlugin({
  name: "registration",
  options,
  tables: { pending: pendingTable },
  migrations: [{ name: "0001_pending", sql: migration }],
  config: settings,
  requires: ["directory"],
  setup(ctx) {
    const pending = createPendingRepository(ctx.store);
    return {
      routes: registrationRoutes({ ctx, pending }),
      async prune() {
        await ctx.store.commit([pending.prune(ctx.now())]);
      },
    };
  },
});
