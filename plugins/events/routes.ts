import { SealpostError } from "sealpost";
import { invalidParameter, named, route } from "sealpost/plugin";
import * as v from "valibot";
import type { EventsContext } from "./config.ts";
import { DESCRIPTIONS, POSITION } from "./form.ts";
import { bindingId, bindingParams, HANDLER_MODULE, toBinding } from "./schema.ts";
import type { Binding, BindingStore } from "./store.ts";

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

/** Creates the routes with which admins manage event bindings, in privacyIDEA's format. */
export function eventRoutes({
  mail,
  store,
  audit,
  events,
  bindings,
}: Pick<EventsContext, "mail" | "store" | "audit" | "events"> & { readonly bindings: BindingStore }) {
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
        const row = toBinding(body, events.names());
        const entry = { success: true, identifier: row.name, info: row.event.join(",") };
        if (body.id === undefined) {
          const [[added]] = await store.commit([bindings.insert(row), audit.row(c, entry)]);
          if (!added) throw new TypeError("An insert returns its row");
          return added.id;
        }
        const change = bindings.set(body.id, row);
        assertChanged(await store.commit([change, audit.row(c, entry, "ifChanged")]));
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
      () => events.names(),
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
          return of(await mail.servers());
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
          const row = audit.row(c, { success: true, identifier: String(id) }, "ifChanged");
          const change = bindings.set(id, { active: verb === "enable" });
          assertChanged(await store.commit([change, row]));
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
      async (_, { path: { id } }) => {
        const row = await bindings.find(id);
        if (!row) throw notFound();
        return [toView(row)];
      },
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
        const row = audit.row(c, { success: true, identifier: String(id) }, "ifChanged");
        assertChanged(await store.commit([bindings.remove(id), row]));
        return id;
      },
    ),
  ];
}

/** @throws {SealpostError} `resource_not_found`. */
function assertChanged([changed]: readonly [{ readonly rowsAffected: number }, unknown]): void {
  if (changed.rowsAffected === 0) throw notFound();
}

function notFound(): SealpostError {
  return new SealpostError("resource_not_found", "The requested Event handler could not be found.");
}

function toView({ event, ...row }: Binding): v.InferOutput<typeof view> {
  const fixed = { handlermodule: HANDLER_MODULE, position: POSITION, abort_on_error: false };
  return { ...row, event: [...event], ...fixed };
}
