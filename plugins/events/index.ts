import { definePlugin } from "sealpost/plugin";
import { listOf } from "./conditions.ts";
import { options, settings } from "./config.ts";
import { createDispatch } from "./dispatch.ts";
import migration from "./migrations/0001_bindings.sql" with { type: "text" };
import { eventRoutes } from "./routes.ts";
import { BINDINGS, binding, createBindingStore } from "./store.ts";

const DEFAULT_SERVER = "default";

/** Messages to the people concerned when something happens. */
export const events = definePlugin({
  name: "events",
  options,
  tables: { binding },
  kept: [BINDINGS],
  migrations: [{ name: "0001_bindings", sql: migration }],
  rights: {
    eventhandling_read: "List event bindings",
    eventhandling_write: "Change event bindings",
  },
  settings,
  optional: ["directory"],
  setup(ctx) {
    const bindings = createBindingStore(ctx.store);
    return {
      routes: eventRoutes({ ...ctx, bindings }),
      on: { "*": createDispatch({ ...ctx, bindings }) },
      async servers() {
        const named = (await bindings.list()).map(({ options: { emailconfig = "" } }) => listOf(emailconfig));
        return [...new Set(named.flatMap((names) => (names.length > 0 ? names : [DEFAULT_SERVER])))];
      },
    };
  },
});
