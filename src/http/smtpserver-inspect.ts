import * as v from "valibot";
import { Secret } from "../domain/secret.ts";
import type { InspectIdentity } from "../mail/servers/inspect.ts";
import { noticeDetail, noticeEntries, respond } from "../wire/envelope.ts";
import { route, tagged } from "../wire/route.ts";
import { definitionParams, definitionTag, identityDetail } from "./smtpserver-schema.ts";
import { identityView } from "./smtpserver-view.ts";

const { private_key, private_key_password, certificate, sender } = definitionParams.entries;

/** Inspects key and certificate before they are saved. */
export function smtpServerInspectRoutes({ inspectIdentity }: { readonly inspectIdentity: InspectIdentity }) {
  return tagged(definitionTag, [
    route(
      {
        method: "POST",
        right: "smtpserver_write",
        path: "/smtpserver/inspect",
        sharesPath: true,
        parameters: { body: v.object({ private_key, private_key_password, certificate, sender }) },
        response: v.boolean(),
        detail: v.object({ smime: v.optional(identityDetail), ...noticeEntries }),
        summary: "Inspect key and certificate",
        description:
          "Reports what saving would report, and stores nothing. The value is whether a definition could sign with them.",
        operationId: "inspectIdentity",
      },
      async (_, { body }) => {
        const { canSign, identity, notices } = await inspectIdentity({
          privateKey: new Secret(body.private_key ?? ""),
          privateKeyPassword: new Secret(body.private_key_password ?? ""),
          certificate: body.certificate ?? "",
          sender: body.sender,
        });
        const detail = { ...(identity && { smime: identityView(identity) }), ...noticeDetail(notices) };
        return respond(canSign, { detail });
      },
    ),
  ]);
}
