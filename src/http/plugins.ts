import { Hono } from "hono";
import * as v from "valibot";
import type { Env } from "../contracts/env.ts";
import type { Platform } from "../contracts/platform.ts";
import type { Servers } from "../mail/servers/definitions.ts";
import type { Registry } from "../plugin/registry.ts";
import { success } from "../wire/envelope.ts";
import type { RequireRight } from "../wire/guard.ts";
import { allowOnly } from "../wire/not-found.ts";
import { operation } from "../wire/openapi.ts";

const texts = v.array(v.string());
const pluginView = v.object({
  name: v.string(),
  routes: texts,
  actions: v.pipe(texts, v.description("Rights that it adds")),
  config: v.pipe(texts, v.description("Settings that POST /system/setConfig takes")),
  events: texts,
  servers: v.pipe(
    v.array(v.object({ identifier: v.string(), exists: v.boolean() })),
    v.description("SMTP servers that it sends through"),
  ),
});

/** Which plugins there are, and where they send. */
export function pluginRoutes(parts: {
  readonly plugins: Registry;
  readonly servers: Servers;
  readonly requireRight: RequireRight;
  readonly platform: Pick<Platform, "now">;
}) {
  const { plugins, servers, requireRight, platform } = parts;
  return new Hono<Env>()
    .get(
      "/",
      operation({
        summary: "All plugins: their routes, and the SMTP servers that they name",
        operationId: "listPlugins",
        tag: "Plugins",
        answer: v.array(pluginView),
      }),
      requireRight("configread", "GET /plugins/"),
      async (c) => {
        const known = (await servers.list()).map(({ identifier }) => identifier);
        const value = (await plugins.list()).map((plugin) => ({
          ...plugin,
          servers: plugin.servers.map((identifier) => ({ identifier, exists: known.includes(identifier) })),
        }));
        return c.json(success(value, platform.now()));
      },
    )
    .all("/", allowOnly("GET"));
}
