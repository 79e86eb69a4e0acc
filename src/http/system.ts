import { Hono } from "hono";
import * as v from "valibot";
import type { Env } from "../contracts/env.ts";
import type { Platform } from "../contracts/platform.ts";
import type { Registry } from "../plugin/registry.ts";
import { success } from "../wire/envelope.ts";
import type { RequireRight } from "../wire/guard.ts";
import { allowOnly } from "../wire/not-found.ts";
import { operation } from "../wire/openapi.ts";
import { allParams, pathParams } from "../wire/validate.ts";

const READ = "configread";
const WRITE = "configwrite";
const SET_ROUTE = "setConfig";
const tag = "Settings of plugins";
/** What clients of the reference send beside a key, to say of what kind it is. */
const REMARK = /\.(type|desc)$/;

const keyParams = v.object({
  key: v.pipe(v.string(), v.maxLength(255), v.description("Name of the setting")),
});
const values = v.record(v.string(), v.unknown());

export interface SystemParts {
  readonly plugins: Pick<Registry, "settings">;
  readonly requireRight: RequireRight;
  readonly platform: Pick<Platform, "now">;
}

/** All settings of plugins. */
export function systemCollection({ plugins: { settings }, requireRight, platform }: SystemParts) {
  return new Hono<Env>()
    .get(
      "/",
      operation({
        summary: "The settings of all plugins as they hold; secrets censored",
        operationId: "listSettings",
        tag,
        answer: values,
      }),
      requireRight(READ, "GET /system/"),
      async (c) => c.json(success(await settings.shown(settings.names), platform.now())),
    )
    .all("/", allowOnly("GET"));
}

/** One setting, and the change of several. */
export function systemRoutes({ plugins: { settings }, requireRight, platform }: SystemParts) {
  return new Hono<Env>()
    .post(
      `/${SET_ROUTE}`,
      operation({
        summary: "Change settings of plugins: their names and values, all of them or none",
        operationId: "setConfig",
        tag,
        answer: v.record(v.string(), v.picklist(["insert", "update"])),
        body: values,
      }),
      requireRight(WRITE, `POST /system/${SET_ROUTE}`),
      allParams(),
      async (c) => {
        const given = Object.entries(c.req.valid("json")).filter(([name]) => {
          return !(REMARK.test(name) && settings.names.includes(name.replace(REMARK, "")));
        });
        return c.json(success(await settings.set(new Map(given), c.get("actor")), platform.now()));
      },
    )
    .all(`/${SET_ROUTE}`, allowOnly("POST"))
    .get(
      "/:key",
      operation({
        summary: "One setting as it holds; a secret censored",
        operationId: "getSetting",
        tag,
        answer: v.unknown(),
        refusals: [404],
      }),
      requireRight(READ, "GET /system/<key>"),
      pathParams(keyParams),
      async (c) => {
        const { key } = c.req.valid("param");
        return c.json(success((await settings.shown([settings.known(key)]))[key], platform.now()));
      },
    )
    .delete(
      "/:key",
      operation({
        summary: "Forget what was set, so that the option or the default holds; false if nothing was",
        operationId: "deleteSetting",
        tag,
        answer: v.boolean(),
        refusals: [404],
      }),
      requireRight(WRITE, "DELETE /system/<key>"),
      pathParams(keyParams),
      async (c) => {
        const { key } = c.req.valid("param");
        return c.json(success(await settings.remove(settings.known(key), c.get("actor")), platform.now()));
      },
    )
    .all("/:key", allowOnly("GET", "DELETE"));
}
