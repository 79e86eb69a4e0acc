import { definePlugin } from "sealpost/plugin";
import { options, settings } from "./config.ts";
import migration from "./migrations/0001_codes.sql" with { type: "text" };
import { recoveryRoutes } from "./routes.ts";
import { code, createCodes } from "./store.ts";

/** Users who have forgotten their password set a new one by a link that is mailed to them. */
export const recovery = definePlugin({
  name: "recovery",
  options,
  tables: { code },
  migrations: [{ name: "0001_codes", sql: migration }],
  settings,
  requires: ["directory"],
  events: ["password_changed"],
  setup(ctx, given) {
    const codes = createCodes(ctx);
    return {
      routes: recoveryRoutes({
        ctx,
        codes,
        directory: () => ctx.capabilities.use("directory"),
        options: given,
      }),
      prune: codes.prune,
      async start() {
        if (ctx.baseUrl !== "" || !(await ctx.settings.get("recovery.enabled"))) return;
        ctx.log.warning(
          "Passwords cannot be recovered until SEALPOST_BASE_URL is set: links would lead nowhere",
        );
      },
    };
  },
});
