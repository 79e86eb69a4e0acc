import * as v from "valibot";
import { PROVIDERS } from "../domain/providers/index.ts";
import { route, tagged } from "../wire/route.ts";
import { providerView, type TextOf, toProviderView } from "./provider-schema.ts";

const TAG = { name: "Providers", description: "Presets of mail providers" };

/** The presets that a definition may name as its `provider`. */
export function providerRoutes() {
  return tagged(TAG, [
    route(
      {
        method: "GET",
        path: "/provider/",
        right: "smtpserver_read",
        response: v.record(v.string(), providerView),
        summary: "List presets of providers",
        description:
          "The value has each preset under its ID. A definition that names one as `provider` takes host, port, TLS and limits from it where they are absent.",
        operationId: "listProviders",
      },
      async () => {
        // A Worker loads the texts on demand.
        const { codedHint, hintText } = await import("../domain/hints/index.ts");
        const textOf: TextOf = (code, values) => hintText([codedHint(code, values)]);
        const views = Object.entries(PROVIDERS).map(
          ([id, one]) => [id, toProviderView(id, one, textOf)] as const,
        );
        return Object.fromEntries(views);
      },
    ),
  ]);
}
