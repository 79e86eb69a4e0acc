import { Hono } from "hono";
import {
  bodyParams,
  definePlugin,
  type Env,
  operation,
  serverNames,
  setting,
  success,
} from "sealpost/plugin";
import * as v from "valibot";

const params = v.object({ text: v.pipe(v.string(), v.maxLength(2_000)) });

/** Who has the right `notice_send` mails notices to one address. */
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
  setup(ctx, { to }) {
    const doc = { summary: "Send a notice", operationId: "sendNotice", tag: "Notices" };
    const routes = new Hono<Env>().post(
      "/notice",
      operation({ ...doc, answer: v.boolean(), body: params }),
      ctx.guard.requireRight("notice_send"),
      bodyParams(params),
      async (c) => {
        const { text } = c.req.valid("json");
        const message = { to: [{ name: "", address: to }], subject: "Notice", text };
        const { state } = await ctx.mail.submit(undefined, message, { request: c });
        return c.json(success(state !== "failed", ctx.time.now()));
      },
    );
    return { routes };
  },
});
