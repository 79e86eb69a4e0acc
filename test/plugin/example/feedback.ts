import { desc } from "drizzle-orm";
import { sqliteTable, text } from "drizzle-orm/sqlite-core";
import { Hono } from "hono";
import {
  bodyParams,
  definePlugin,
  type Env,
  invalidParameter,
  operation,
  parseMailbox,
  render,
  serverNames,
  setting,
  success,
  templateText,
} from "sealpost/plugin";
import * as v from "valibot";
import migration from "./0001_feedback.sql" with { type: "text" };

const entry = sqliteTable("feedback_entry", {
  id: text("id").primaryKey(),
  address: text("address").notNull(),
  text: text("text").notNull(),
});
const tag = "Feedback";
const view = v.object({ id: v.string(), address: v.string(), text: v.string() });
const params = v.object({ address: v.string(), text: v.pipe(v.string(), v.maxLength(2_000)) });
const email = v.pipe(v.string(), v.email("expected an address"));
const subjectText = templateText(["address"]);

/** Anybody may say something; the owner gets a mail, and admins read it all. */
export const feedback = definePlugin({
  name: "feedback",
  options: v.object({
    owner: email,
    server: v.optional(serverNames, []),
    subject: v.optional(subjectText, "Feedback from {address}"),
  }),
  tables: { entry },
  migrations: [{ name: "0001_feedback", sql: migration }],
  rights: { feedback_read: "Read what people say" },
  settings: (options) => ({
    "feedback.identifier": setting(serverNames, options.server, {
      description: "SMTP servers",
      namesServer: true,
    }),
    "feedback.subject": setting(subjectText, options.subject, { description: "Subject of the mail" }),
  }),
  events: ["feedback_given"],
  setup(ctx, { owner }) {
    const routes = new Hono<Env>()
      .post(
        "/feedback/",
        operation({
          summary: "Say something",
          operationId: "giveFeedback",
          tag,
          answer: v.boolean(),
          body: params,
          open: true,
        }),
        bodyParams(params),
        async (c) => {
          const { address, text } = c.req.valid("json");
          const from = parseMailbox(address);
          if (from === null) throw invalidParameter("address", "expected one mailbox");
          await ctx.limits.consume(...ctx.limits.perClient(c, { key: "from", max: 5, windowSeconds: 3_600 }));
          const row = { id: ctx.random.id(), address: from.address, text };
          const said = ctx.audit.row(c, { success: true, identifier: row.id });
          await ctx.store.commit([ctx.store.write.insert(entry).values(row), said]);
          const subject = render(await ctx.settings.get("feedback.subject"), { address: from.address });
          const message = { to: [{ name: "", address: owner }], replyTo: [from], subject, text };
          const sent = await ctx.mail.submit(undefined, message, { request: c });
          ctx.events.emit("feedback_given", { id: row.id });
          return c.json(success(sent.state !== "failed", ctx.time.now()));
        },
      )
      .get(
        "/feedback/",
        operation({ summary: "What people say", operationId: "listFeedback", tag, answer: v.array(view) }),
        ctx.guard.requireRight("feedback_read"),
        async (c) =>
          c.json(success(await ctx.store.read.select().from(entry).orderBy(desc(entry.id)), ctx.time.now())),
      );
    return { routes };
  },
});
