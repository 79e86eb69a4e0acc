import { definePlugin } from "sealpost/plugin";
import { listOf } from "./conditions.ts";
import { options, settings } from "./config.ts";
import { createHandler } from "./dispatch.ts";
import migration from "./migrations/0001_bindings.sql" with { type: "text" };
import { eventRoutes } from "./routes.ts";
import { BINDINGS, binding, createBindings } from "./store.ts";

const DEFAULT_SERVER = "default";

/** Mails to those concerned when something happens. */
export const events = definePlugin({
  name: "events",
  options,
  tables: { binding },
  kept: [BINDINGS],
  migrations: [{ name: "0001_bindings", sql: migration }],
  rights: {
    eventhandling_read: "Read what is done when something happens",
    eventhandling_write: "Say what is done when something happens",
  },
  settings,
  optional: ["directory"],
  setup(ctx) {
    const bindings = createBindings(ctx);
    return {
      routes: eventRoutes({ ctx, bindings }),
      on: { "*": createHandler(ctx, bindings) },
      async servers() {
        const named = (await bindings.list()).map(({ options: { emailconfig = "" } }) => listOf(emailconfig));
        return [...new Set(named.flatMap((names) => (names.length > 0 ? names : [DEFAULT_SERVER])))];
      },
    };
  },
});
