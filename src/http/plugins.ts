import * as v from "valibot";
import type { Servers } from "../mail/servers/definitions.ts";
import type { Registry } from "../plugin/registry.ts";
import { route } from "../wire/route.ts";
import { described, named } from "../wire/schemas.ts";

const texts = v.array(v.string());
const pluginView = named(
  "Plugin",
  v.object({
    name: v.string(),
    routes: texts,
    actions: described(texts, "Rights that it adds"),
    config: described(texts, "Settings that `POST /system/setConfig` accepts"),
    settings: described(
      v.array(
        v.object({
          name: v.string(),
          description: v.string(),
          secret: v.boolean(),
          default: described(v.unknown(), "Used until an admin sets a value. A secret is censored"),
        }),
      ),
      "The same settings, described",
    ),
    events: texts,
    servers: described(
      v.array(v.object({ identifier: v.string(), exists: v.boolean() })),
      "SMTP servers that it sends through",
    ),
  }),
);

/** The plugins of this instance, and the definitions that they use. */
export function pluginRoutes({
  plugins,
  servers,
}: {
  readonly plugins: Registry;
  readonly servers: Servers;
}) {
  return [
    route(
      {
        method: "GET",
        path: "/plugins/",
        right: "configread",
        response: v.array(pluginView),
        summary: "List plugins",
        tag: { name: "Plugins", description: "What each plugin adds, and where it sends mail" },
      },
      async () => {
        const known = (await servers.list()).map(({ identifier }) => identifier);
        return (await plugins.list()).map((plugin) => ({
          ...plugin,
          servers: plugin.servers.map((identifier) => ({ identifier, exists: known.includes(identifier) })),
        }));
      },
    ),
  ];
}
