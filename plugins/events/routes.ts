import { Hono } from "hono";
import { bodyParams, type Env, invalidParameter, operation, pathParams, success } from "sealpost/plugin";
import * as v from "valibot";
import type { Context } from "./config.ts";
import { DESCRIPTIONS, POSITION } from "./form.ts";
import { bindingId, bindingParams, HANDLER_MODULE, toBinding } from "./schema.ts";
import type { Binding, Bindings } from "./store.ts";

const tag = "Events";
const texts = v.record(v.string(), v.string());
const view = v.object({
  id: v.number(),
  name: v.string(),
  event: v.array(v.string()),
  handlermodule: v.string(),
  action: v.string(),
  position: v.string(),
  ordering: v.number(),
  active: v.boolean(),
  abort_on_error: v.boolean(),
  options: texts,
  conditions: texts,
});
const idPath = v.object({
  id: v.pipe(v.string(), v.regex(/^\d{1,15}$/, "expected a number"), v.transform(Number), bindingId),
});
const modulePath = v.object({ module: v.string() });

/** The bindings over HTTP, as clients of the reference know them. */
export function eventRoutes({ ctx, bindings }: { readonly ctx: Context; readonly bindings: Bindings }) {
  const doc = (summary: string, operationId: string, answer: v.GenericSchema) =>
    operation({ summary, operationId, tag, answer });
  const mayRead = ctx.guard.requireRight("eventhandling_read");
  const mayWrite = ctx.guard.requireRight("eventhandling_write");

  const app = new Hono<Env>()
    .get("/event/", doc("All bindings, in order", "listEventBindings", v.array(view)), mayRead, async (c) =>
      c.json(success((await bindings.list()).map(toView), ctx.time.now())),
    )
    .post(
      "/event/",
      operation({
        summary: "Make a binding, or replace all of the one with this id; the value is its id",
        operationId: "saveEventBinding",
        tag,
        answer: v.number(),
        body: bindingParams,
        refusals: [404],
      }),
      mayWrite,
      bodyParams(bindingParams),
      async (c) => {
        const given = c.req.valid("json");
        const row = toBinding(given, ctx.events.names());
        const said = { success: true, identifier: row.name, info: row.event.join(",") };
        if (given.id === undefined) {
          return c.json(success(await bindings.add(row, ctx.audit.row(c, said)), ctx.time.now()));
        }
        await bindings.replace(given.id, row, ctx.audit.row(c, said, "ifChanged"));
        return c.json(success(given.id, ctx.time.now()));
      },
    )
    .get(
      "/event/available",
      doc("Every event that there is", "listEvents", v.array(v.string())),
      mayRead,
      (c) => c.json(success(ctx.events.names(), ctx.time.now())),
    )
    .get(
      "/event/handlermodules",
      doc("Kinds of bindings", "listEventHandlerModules", v.array(v.string())),
      mayRead,
      (c) => c.json(success([HANDLER_MODULE], ctx.time.now())),
    );

  for (const [what, { summary, operationId, of }] of Object.entries(DESCRIPTIONS)) {
    app.get(
      `/event/${what}/:module`,
      doc(summary, operationId, v.unknown()),
      mayRead,
      pathParams(modulePath),
      async (c) => {
        const { module } = c.req.valid("param");
        if (module !== HANDLER_MODULE) throw invalidParameter("module", `expected ${HANDLER_MODULE}`);
        return c.json(success(of(await ctx.mail.servers()), ctx.time.now()));
      },
    );
  }

  for (const [what, isActive] of [
    ["enable", true],
    ["disable", false],
  ] as const) {
    app.post(
      `/event/${what}/:id`,
      doc(
        isActive ? "Carry a binding out again" : "Carry a binding out no more",
        `${what}EventBinding`,
        v.number(),
      ),
      mayWrite,
      pathParams(idPath),
      async (c) => {
        const { id } = c.req.valid("param");
        const said = ctx.audit.row(c, { success: true, identifier: String(id) }, "ifChanged");
        await bindings.setActive(id, isActive, said);
        return c.json(success(id, ctx.time.now()));
      },
    );
  }

  return app
    .get(
      "/event/:id",
      doc("One binding, in a list", "getEventBinding", v.array(view)),
      mayRead,
      pathParams(idPath),
      async (c) => c.json(success([toView(await bindings.get(c.req.valid("param").id))], ctx.time.now())),
    )
    .delete(
      "/event/:id",
      doc("Delete a binding; the value is its id", "deleteEventBinding", v.number()),
      mayWrite,
      pathParams(idPath),
      async (c) => {
        const { id } = c.req.valid("param");
        await bindings.remove(id, ctx.audit.row(c, { success: true, identifier: String(id) }, "ifChanged"));
        return c.json(success(id, ctx.time.now()));
      },
    );
}

function toView(row: Binding): v.InferOutput<typeof view> {
  const { event, ...plain } = row;
  return {
    ...plain,
    event: [...event],
    handlermodule: HANDLER_MODULE,
    position: POSITION,
    abort_on_error: false,
  };
}
