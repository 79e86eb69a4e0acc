import { invalidParameter, route, tagged } from "sealpost/plugin";
import * as v from "valibot";
import type { RecipientBounds } from "./bounds.ts";
import type { EventsContext } from "./config.ts";
import { DESCRIPTIONS } from "./form.ts";
import { createBindings, type ManageDeps } from "./manage.ts";
import { bindingParams, bindingView, HANDLER_MODULE, idParams, toBinding, toBindingView } from "./schema.ts";
import { webhookRoutes } from "./webhook-routes.ts";

const TAG = {
  name: "Events",
  description: "Messages and webhooks that Sealpost sends when something happens",
};
const READ = { method: "GET", right: "eventhandling_read" } as const;
const WRITE = { right: "eventhandling_write", response: v.number() } as const;
const ONE = { path: "/event/:id", parameters: { path: idParams }, errors: [404] } as const;
const names = v.array(v.string());

interface RouteDeps extends ManageDeps, Pick<EventsContext, "mail" | "events" | "capabilities"> {
  readonly bounds: RecipientBounds;
}

/** Creates the routes with which admins manage event bindings, in privacyIDEA's format. */
export function eventRoutes(deps: RouteDeps) {
  return tagged(TAG, [...formRoutes(deps), ...bindingRoutes(deps), ...webhookRoutes(deps)]);
}

/** Data from which clients build a form. */
function formRoutes({ mail, events }: RouteDeps) {
  return [
    route({ ...READ, path: "/event/available", response: names, summary: "List events" }, () =>
      events.names(),
    ),
    route(
      { ...READ, path: "/event/handlermodules", response: names, summary: "List event handler modules" },
      () => [HANDLER_MODULE],
    ),
    ...Object.entries(DESCRIPTIONS).map(([what, { summary, of }]) =>
      route(
        {
          ...READ,
          path: `/event/${what}/:module`,
          parameters: { path: v.object({ module: v.string() }) },
          response: v.unknown(),
          summary,
        },
        async (_, { path: { module } }) => {
          if (module !== HANDLER_MODULE) throw invalidParameter("module", `expected ${HANDLER_MODULE}`);
          return of(await mail.servers());
        },
      ),
    ),
  ];
}

function bindingRoutes(deps: RouteDeps) {
  const { events, bindings, bounds, capabilities } = deps;
  const managed = createBindings(deps);
  const list = v.array(bindingView);
  return [
    route({ ...READ, path: "/event/", response: list, summary: "List event bindings" }, async () =>
      (await bindings.list()).map(toBindingView),
    ),
    route(
      {
        ...WRITE,
        method: "POST",
        path: "/event/",
        parameters: { body: bindingParams },
        summary: "Create or replace an event binding",
        description: "With `id`, replaces that binding. The value is the id of the binding.",
        operationId: "saveEventBinding",
        errors: [404],
      },
      (c, { body }) => {
        const hasSms = capabilities.find("sms") !== null;
        return managed.save(c, body.id, toBinding(body, { eventNames: events.names(), bounds, hasSms }));
      },
    ),
    ...(["enable", "disable"] as const).map((verb) =>
      route(
        {
          ...WRITE,
          ...ONE,
          method: "POST",
          path: `/event/${verb}/:id`,
          summary: `${verb === "enable" ? "Enable" : "Disable"} an event binding`,
        },
        (c, { path: { id } }) => managed.setActive(c, id, verb === "enable"),
      ),
    ),
    route(
      {
        ...READ,
        ...ONE,
        response: list,
        summary: "Get an event binding",
        description: "The value is a list with this one binding.",
      },
      async (_, { path: { id } }) => [toBindingView(await managed.get(id))],
    ),
    route(
      {
        ...WRITE,
        ...ONE,
        method: "DELETE",
        summary: "Delete an event binding",
        description: "The value is the id of the binding.",
      },
      (c, { path: { id } }) => managed.remove(c, id),
    ),
  ];
}
