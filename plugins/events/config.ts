import { domainOf, type PluginContext, parseMailbox, setting, wholeNumber } from "sealpost/plugin";
import * as v from "valibot";
import { canonicalDomain, createRecipientBounds } from "./bounds.ts";
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

/** @param domains the domains that the addresses may have; none: any. */
const addressesWithin = (domains: readonly string[]) =>
  v.pipe(
    addresses,
    v.check(
      (text) =>
        Object.values(readAdmins(text)).every((address) =>
          createRecipientBounds(domains).includes(domainOf(parseMailbox(address)?.address ?? "")),
        ),
      "expected addresses in the domains of the plugin option recipients",
    ),
  );

const domain = v.pipe(
  v.string("expected a domain"),
  v.check((text) => canonicalDomain(text) !== null, "expected domains, such as example.org"),
  v.transform((text) => canonicalDomain(text) ?? ""),
);

export const options = v.object({
  /** Domains of fixed recipients and of the URLs of webhooks. Default: any. */
  recipients: v.optional(v.array(domain, "expected a list of domains"), []),
  /** Addresses of local admins, whose accounts have none. */
  admins: v.optional(addresses, ""),
  /** Maximum number of messages to one address per hour. */
  mailsPerHour: v.optional(perHour, 100),
});
type Options = v.InferOutput<typeof options>;

/** Settings that an admin can change at run time. */
export const settings = ({ admins, mailsPerHour, recipients }: Options) => ({
  "events.admins": setting(addressesWithin(recipients), admins, {
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
