import * as v from "valibot";
import type { Doctor } from "../mail/doctor/doctor.ts";
import type { Registry } from "../plugin/registry.ts";
import { codedSentences } from "../wire/delivery.ts";
import { noticeDetail, noticeEntries, respond } from "../wire/envelope.ts";
import type { AssertMayReroute } from "../wire/guard.ts";
import { route, tagged } from "../wire/route.ts";
import { described, named } from "../wire/schemas.ts";

const TAG = { name: "Settings of plugins", description: "Settings that take effect without a restart" };
/** Clients of privacyIDEA send these in addition to a setting: its type and its description. */
const REMARK = /\.(type|desc)$/;

const path = v.object({ key: described(v.pipe(v.string(), v.maxLength(255)), "Name of the setting") });
const READ = { method: "GET", right: "configread" } as const;
const WRITE = { right: "configwrite" } as const;
const ONE = { path: "/system/:key", parameters: { path }, errors: [404] } as const;
const values = v.record(v.string(), v.unknown());
export const finding = named(
  "Finding",
  v.object({
    name: described(v.string(), "What was checked"),
    ok: v.boolean(),
    message: described(v.string(), "What to do, or that nothing is to do"),
    problems: described(codedSentences, "The sentences of `message` by code. Empty if nothing is wrong"),
  }),
);

interface SystemDeps {
  readonly plugins: Pick<Registry, "settings">;
  readonly doctor: Doctor;
  readonly assertMayReroute: AssertMayReroute;
}

/** The settings of plugins, and the check of the whole instance. */
export function systemRoutes({ plugins: { settings }, doctor, assertMayReroute }: SystemDeps) {
  return tagged(TAG, [
    route(
      {
        ...READ,
        path: "/system/",
        response: values,
        summary: "List settings",
        description: "Values that are in effect. Secrets are censored.",
      },
      () => settings.shown(settings.names),
    ),
    route(
      {
        ...READ,
        path: "/system/doctor",
        response: v.array(finding),
        summary: "Check the instance",
        description:
          "Settings, keys, database, clock, queue, mail servers, certificates and tokens. Connects to each mail server without a login, and takes a few seconds at most.",
        operationId: "doctor",
        example: {
          value: [{ name: "keys", ok: true, message: "The keys decrypt the database.", problems: [] }],
        },
      },
      () => doctor(),
    ),
    route(
      {
        ...WRITE,
        method: "POST",
        path: "/system/setConfig",
        parameters: { body: values },
        response: v.record(v.string(), v.picklist(["insert", "update"])),
        detail: v.object(noticeEntries),
        summary: "Change settings",
        description:
          "Send names and values. Either all settings change or none. A value that sends mail of a plugin elsewhere also needs the right `smtpserver_route` once an active policy names it.",
        operationId: "setConfig",
      },
      async (c, { body }) => {
        const given = Object.entries(body).filter(
          ([name]) => !(REMARK.test(name) && settings.names.includes(name.replace(REMARK, ""))),
        );
        // Before the commit, while the request's first read is current.
        const notices = await settings.noticesOf(new Map(given));
        const changed = await settings.set(new Map(given), c.get("actor"), () => assertMayReroute(c));
        return respond(changed, { detail: noticeDetail(notices) });
      },
    ),
    route(
      {
        ...READ,
        ...ONE,
        response: v.unknown(),
        summary: "Get a setting",
        description: "The value that is in effect. A secret is censored.",
      },
      async (_, { path: { key } }) => (await settings.shown([settings.known(key)]))[key],
    ),
    route(
      {
        ...WRITE,
        ...ONE,
        method: "DELETE",
        response: v.boolean(),
        summary: "Reset a setting",
        description:
          "The host's option or the default takes effect again. The value is `false` if no value was set.",
        operationId: "deleteSetting",
      },
      (c, { path: { key } }) =>
        settings.remove(settings.known(key), c.get("actor"), () => assertMayReroute(c)),
    ),
  ]);
}
