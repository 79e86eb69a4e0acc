import { definePlugin, route, serverNames, setting } from "sealpost/plugin";
import * as v from "valibot";

const body = v.object({ text: v.pipe(v.string(), v.maxLength(2_000)) });

/** An admin with the right `notice_send` mails notices to one address. */
export const notice = definePlugin({
  name: "notice",
  options: v.object({
    to: v.pipe(v.string(), v.email("expected an address")),
    server: v.optional(serverNames, []),
  }),
  rights: { notice_send: "Send notices" },
  settings: ({ server }) => ({
    "notice.identifier": setting(serverNames, server, { description: "SMTP servers", namesServer: true }),
  }),
  setup({ mail }, { to }) {
    const tag = { name: "Notices", description: "Notices to the operators" };
    const doc = { summary: "Send a notice", tag, parameters: { body }, response: v.boolean() };
    const send = route(
      { method: "POST", path: "/notice", right: "notice_send", ...doc },
      async (request, { body: { text } }) => {
        const message = { to: [{ name: "", address: to }], subject: "Notice", text };
        const { state } = await mail.submit(undefined, message, { request });
        return state !== "failed";
      },
    );
    return { routes: [send] };
  },
});
