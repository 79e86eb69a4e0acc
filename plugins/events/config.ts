import { type PluginContext, parseMailbox, setting, wholeNumber } from "sealpost/plugin";
import * as v from "valibot";
import { listOf } from "./conditions.ts";

const MAX_PER_HOUR = 10_000;
const perHour = wholeNumber(1, MAX_PER_HOUR);

/** `admin=root@example.org, ann=ann@example.org` */
const addresses = v.pipe(
  v.string("expected a text"),
  v.check(
    (text) =>
      listOf(text).every((entry) => entry.includes("=") && parseMailbox(entry.replace(/^.*?=/, "")) !== null),
    "expected name=address, comma-separated",
  ),
);

export const options = v.object({
  /** Addresses of local admins, whose accounts have none. */
  admins: v.optional(addresses, ""),
  /** Maximum number of messages to one address per hour. */
  mailsPerHour: v.optional(perHour, 100),
});
type Options = v.InferOutput<typeof options>;

/** Settings that an admin can change at run time. */
export const settings = ({ admins, mailsPerHour }: Options) => ({
  "events.admins": setting(addresses, admins, {
    description: "Addresses of local admins: name=address, comma-separated",
  }),
  "events.mails_per_hour": setting(perHour, mailsPerHour, {
    description: "Maximum number of messages to one address per hour",
  }),
});

/** The context of this plugin, with the types of its settings. */
export type EventsContext = PluginContext<ReturnType<typeof settings>>;

/** Returns the addresses of local admins by name. */
export function readAdmins(text: string): Record<string, string> {
  return Object.fromEntries(
    listOf(text).map((entry) => {
      const at = entry.indexOf("=");
      return [entry.slice(0, at).trim(), entry.slice(at + 1).trim()];
    }),
  );
}
