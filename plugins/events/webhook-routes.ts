import { described, HOLD_MS, named, pageOf, pageParams, pageView, route } from "sealpost/plugin";
import * as v from "valibot";
import { DELIVERY_STATES, type DeliveryStore, type WebhookDelivery } from "./webhook-store.ts";

const MAX_EVENT_CHARACTERS = 100;

const deliveryView = named(
  "WebhookDelivery",
  v.object({
    id: described(v.string(), "The `webhook-id` of every attempt"),
    binding: described(v.number(), "The id of the event binding"),
    name: v.string(),
    event: v.string(),
    origin: described(v.string(), "Of the URL; its path and query are not shown"),
    state: v.picklist(DELIVERY_STATES),
    attempts: v.number(),
    status: described(v.nullable(v.number()), "Status of the last response"),
    code: described(
      v.nullable(v.string()),
      "The reason if there was no complete response, such as `timeout`",
    ),
    next_try: described(v.nullable(v.string()), "`null` in a final state or if `held`"),
    held: described(v.boolean(), "A restore holds it: it waits for `POST /mail/release`"),
    created_at: v.string(),
    updated_at: v.string(),
  }),
);

const query = v.object({
  ...pageParams,
  state: v.optional(v.picklist(DELIVERY_STATES, `expected ${DELIVERY_STATES.join(", ")}`)),
  event: v.optional(v.pipe(v.string(), v.maxLength(MAX_EVENT_CHARACTERS, "expected the name of an event"))),
});

/** Creates the route that lists the deliveries of webhooks. */
export function webhookRoutes({ deliveries }: { readonly deliveries: DeliveryStore }) {
  return [
    route(
      {
        method: "GET",
        path: "/webhook/",
        right: "eventhandling_read",
        isProvedByRead: true,
        parameters: { query },
        response: v.object({ webhooks: v.array(deliveryView), ...pageView }),
        summary: "List webhook deliveries",
        description: "Newest first. Bodies, headers and secrets are never shown.",
      },
      async (_, { query: { page, page_size: pageSize, state, event } }) => {
        const { rows, total } = await deliveries.page({ state, event }, { page, pageSize });
        return { webhooks: rows.map(toDeliveryView), ...pageOf({ page, pageSize }, total) };
      },
    ),
  ];
}

function toDeliveryView(row: WebhookDelivery): v.InferOutput<typeof deliveryView> {
  const { id, name, event, origin, state, attempts, status, dueAt } = row;
  const held = dueAt !== null && dueAt.getTime() >= HOLD_MS;
  return {
    id,
    name,
    event,
    origin,
    state,
    attempts,
    status,
    binding: row.bindingId,
    code: row.code || null,
    next_try: dueAt === null || held ? null : dueAt.toISOString(),
    held,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}
