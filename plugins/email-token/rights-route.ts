import { type PluginContext, route, type Sms } from "sealpost/plugin";
import * as v from "valibot";
import { CHANNELS } from "./channels.ts";

/** Creates the route by which clients of privacyIDEA ask which types of token the admin may enroll. */
export function rightsRoute({
  guard,
  sms,
}: Pick<PluginContext, "guard"> & {
  /** `null` if no plugin provides it. */
  readonly sms: Sms | null;
}) {
  const types = Object.entries(CHANNELS).filter(([type]) => type !== "sms" || sms !== null);
  return route(
    {
      method: "GET",
      path: "/auth/rights",
      anyAdmin: true,
      response: v.record(v.string(), v.string()),
      tag: { name: "Tokens", description: "Second factors of users" },
      summary: "List enrollable token types",
      description: "The value has a title for each type of token that the admin may enroll.",
    },
    async (c) => {
      const titles: Record<string, string> = {};
      for (const [type, { right, title }] of types) if (await guard.isAllowed(c, right)) titles[type] = title;
      return titles;
    },
  );
}
