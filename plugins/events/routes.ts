import { invalidParameter, named, route } from "sealpost/plugin";
import * as v from "valibot";
import type { Context } from "./config.ts";
import { DESCRIPTIONS, POSITION } from "./form.ts";
import { bindingId, bindingParams, HANDLER_MODULE, toBinding } from "./schema.ts";
import type { Binding, Bindings } from "./store.ts";

const tag = { name: "Events", description: "Messages that Sealpost sends when something happens" };
const READ = { method: "GET", right: "eventhandling_read", tag } as const;
const WRITE = { right: "eventhandling_write", tag } as const;

const names = v.array(v.string());
const texts = v.record(v.string(), v.string());
const view = named(
  "EventBinding",
  v.object({
    id: v.number(),
    name: v.string(),
    event: names,
    handlermodule: v.string(),
    action: v.string(),
    position: v.string(),
    ordering: v.number(),
    active: v.boolean(),
    abort_on_error: v.boolean(),
    options: texts,
    conditions: texts,
  }),
);
const path = v.object({
  id: v.pipe(v.string(), v.regex(/^\d{1,15}$/, "expected a number"), v.transform(Number), bindingId),
});
const parameters = { path };

/** Event bindings over HTTP, as clients of privacyIDEA know them. */
export function eventRoutes({ ctx, bindings }: { readonly ctx: Context; readonly bindings: Bindings }) {
  return [
    route(
      {
        ...READ,
        path: "/event/",
        response: v.array(view),
        summary: "List event bindings",
        operationId: "listEventBindings",
      },
      async () => (await bindings.list()).map(toView),
    ),
    route(
      {
        ...WRITE,
        method: "POST",
        path: "/event/",
        parameters: { body: bindingParams },
        response: v.number(),
        summary: "Create or replace an event binding",
        description: "With `id`, replaces that binding. The value is the id of the binding.",
        operationId: "saveEventBinding",
        errors: [404],
      },
      async (c, { body }) => {
        const row = toBinding(body, ctx.events.names());
        const entry = { success: true, identifier: row.name, info: row.event.join(",") };
        if (body.id === undefined) return bindings.add(row, ctx.audit.row(c, entry));
        await bindings.replace(body.id, row, ctx.audit.row(c, entry, "ifChanged"));
        return body.id;
      },
    ),
    route(
      {
        ...READ,
        path: "/event/available",
        response: names,
        summary: "List events",
        operationId: "listEvents",
      },
      () => ctx.events.names(),
    ),
    route(
      {
        ...READ,
        path: "/event/handlermodules",
        response: names,
        summary: "List handler modules",
        operationId: "listEventHandlerModules",
      },
      () => [HANDLER_MODULE],
    ),
    ...Object.entries(DESCRIPTIONS).map(([what, { summary, operationId, of }]) =>
      route(
        {
          ...READ,
          path: `/event/${what}/:module`,
          parameters: { path: v.object({ module: v.string() }) },
          response: v.unknown(),
          summary,
          operationId,
        },
        async (_, { path: { module } }) => {
          if (module !== HANDLER_MODULE) throw invalidParameter("module", `expected ${HANDLER_MODULE}`);
          return of(await ctx.mail.servers());
        },
      ),
    ),
    ...(["enable", "disable"] as const).map((verb) =>
      route(
        {
          ...WRITE,
          method: "POST",
          path: `/event/${verb}/:id`,
          parameters,
          response: v.number(),
          summary: `${verb === "enable" ? "Enable" : "Disable"} an event binding`,
          operationId: `${verb}EventBinding`,
        },
        async (c, { path: { id } }) => {
          const row = ctx.audit.row(c, { success: true, identifier: String(id) }, "ifChanged");
          await bindings.setActive(id, verb === "enable", row);
          return id;
        },
      ),
    ),
    route(
      {
        ...READ,
        path: "/event/:id",
        parameters,
        response: v.array(view),
        summary: "Get an event binding",
        description: "The value is a list with this one binding.",
        operationId: "getEventBinding",
      },
      async (_, { path: { id } }) => [toView(await bindings.get(id))],
    ),
    route(
      {
        ...WRITE,
        method: "DELETE",
        path: "/event/:id",
        parameters,
        response: v.number(),
        summary: "Delete an event binding",
        description: "The value is the id of the binding.",
        operationId: "deleteEventBinding",
      },
      async (c, { path: { id } }) => {
        await bindings.remove(id, ctx.audit.row(c, { success: true, identifier: String(id) }, "ifChanged"));
        return id;
      },
    ),
  ];
}

function toView({ event, ...row }: Binding): v.InferOutput<typeof view> {
  const fixed = { handlermodule: HANDLER_MODULE, position: POSITION, abort_on_error: false };
  return { ...row, event: [...event], ...fixed };
}
