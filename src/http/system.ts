import * as v from "valibot";
import type { Registry } from "../plugin/registry.ts";
import { route } from "../wire/route.ts";
import { described } from "../wire/schemas.ts";

const READ = "configread";
const WRITE = "configwrite";
const tag = { name: "Settings of plugins", description: "Settings that take effect without a restart" };
/** Clients of privacyIDEA send these in addition to a setting: its type and its description. */
const REMARK = /\.(type|desc)$/;

const path = v.object({ key: described(v.pipe(v.string(), v.maxLength(255)), "Name of the setting") });
const values = v.record(v.string(), v.unknown());

/** The settings of plugins. */
export function systemRoutes(deps: { readonly plugins: Pick<Registry, "settings"> }) {
  const { settings } = deps.plugins;
  return [
    route(
      {
        method: "GET",
        path: "/system/",
        right: READ,
        response: values,
        summary: "List settings",
        description: "Values that are in effect. Secrets are censored.",
        operationId: "listSettings",
        tag,
      },
      () => settings.shown(settings.names),
    ),
    route(
      {
        method: "POST",
        path: "/system/setConfig",
        right: WRITE,
        parameters: { body: values },
        response: v.record(v.string(), v.picklist(["insert", "update"])),
        summary: "Change settings",
        description: "Send names and values. Either all settings change or none.",
        operationId: "setConfig",
        tag,
      },
      (c, { body }) => {
        const given = Object.entries(body).filter(
          ([name]) => !(REMARK.test(name) && settings.names.includes(name.replace(REMARK, ""))),
        );
        return settings.set(new Map(given), c.get("actor"));
      },
    ),
    route(
      {
        method: "GET",
        path: "/system/:key",
        right: READ,
        parameters: { path },
        response: v.unknown(),
        summary: "Get a setting",
        description: "The value that is in effect. A secret is censored.",
        operationId: "getSetting",
        tag,
        errors: [404],
      },
      async (_, { path: { key } }) => (await settings.shown([settings.known(key)]))[key],
    ),
    route(
      {
        method: "DELETE",
        path: "/system/:key",
        right: WRITE,
        parameters: { path },
        response: v.boolean(),
        summary: "Reset a setting",
        description:
          "The host's option or the default takes effect again. The value is `false` if no value was set.",
        operationId: "deleteSetting",
        tag,
        errors: [404],
      },
      (c, { path: { key } }) => settings.remove(settings.known(key), c.get("actor")),
    ),
  ];
}
