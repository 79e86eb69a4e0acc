import { definePlugin } from "sealpost/plugin";
import { options, settings } from "./config.ts";
import migration from "./migrations/0001_codes.sql" with { type: "text" };
import { recoveryRoutes } from "./routes.ts";
import { code, createCodeStore } from "./store.ts";

/** Users who forgot their password set a new one with a link that is sent to them. */
export const recovery = definePlugin({
  name: "recovery",
  options,
  settings,
  tables: { code },
  migrations: [{ name: "0001_codes", sql: migration }],
  requires: ["directory"],
  events: ["password_changed"],
  setup(ctx, { leastPasswordCharacters, leastAnswerMs }) {
    const { store, settings, time, log, baseUrl } = ctx;
    const codes = createCodeStore(store);
    return {
      routes: recoveryRoutes({ ...ctx, codes, leastPasswordCharacters, leastAnswerMs }),
      abandonLeases: codes.abandonClaims,
      prune: async () => void (await store.commit([codes.prune(time.now())])),
      async start() {
        if (baseUrl !== "" || !(await settings.get("recovery.enabled"))) return;
        log.warning("Passwords cannot be recovered until SEALPOST_BASE_URL is set: links need it");
      },
    };
  },
});
