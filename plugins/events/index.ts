import { definePlugin } from "sealpost/plugin";
import { createRecipientBounds } from "./bounds.ts";
import { listOf } from "./conditions.ts";
import { options, settings } from "./config.ts";
import { createDispatch } from "./dispatch.ts";
import migration from "./migrations/0001_bindings.sql" with { type: "text" };
import webhooksMigration from "./migrations/0002_webhooks.sql" with { type: "text" };
import { eventRoutes } from "./routes.ts";
import { BINDINGS, binding, createBindingStore } from "./store.ts";
import { createDeliveryStore, webhookDelivery } from "./webhook-store.ts";
import { createWebhooks } from "./webhooks.ts";

/** The definition or gateway of a binding that names none. */
const DEFAULT_NAME = "default";
/** Retention of final deliveries. */
const DELIVERY_DAYS = 7;

/** Messages to the people concerned, and webhooks to programs, when something happens. */
export const events = definePlugin({
  name: "events",
  options,
  tables: { binding, webhookDelivery },
  kept: [BINDINGS],
  migrations: [
    { name: "0001_bindings", sql: migration },
    { name: "0002_webhooks", sql: webhooksMigration },
  ],
  sealed: [
    { row: binding.sealId, columns: [binding.secret, binding.headers] },
    { row: webhookDelivery.id, columns: [webhookDelivery.body] },
  ],
  dueTimes: [webhookDelivery.dueAt],
  rights: {
    eventhandling_read: "List event bindings",
    eventhandling_write: "Change event bindings",
  },
  settings,
  optional: ["directory", "sms"],
  setup(ctx, { recipients }) {
    const bounds = createRecipientBounds(recipients);
    const bindings = createBindingStore(ctx.store);
    const deliveries = createDeliveryStore(ctx.store, ctx.time);
    const webhooks = createWebhooks({ ...ctx, bindings, deliveries });
    return {
      routes: eventRoutes({ ...ctx, bindings, deliveries, bounds }),
      on: { "*": createDispatch({ ...ctx, bindings, webhooks, bounds }) },
      drain: webhooks.drain,
      nextDueAt: deliveries.nextDueAt,
      abandonLeases: deliveries.abandonLeases,
      async prune() {
        await ctx.store.commit([deliveries.prune(DELIVERY_DAYS)]);
      },
      async servers() {
        const senders = (await bindings.list()).filter(({ action }) => action === "sendmail");
        const named = senders.map(({ options: { emailconfig = "" } }) => listOf(emailconfig));
        return [...new Set(named.flatMap((names) => (names.length > 0 ? names : [DEFAULT_NAME])))];
      },
      async gateways() {
        const senders = (await bindings.list()).filter(({ action }) => action === "sendsms");
        return [...new Set(senders.map(({ options: { smsconfig } }) => smsconfig || DEFAULT_NAME))];
      },
    };
  },
});
