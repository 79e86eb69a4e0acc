import { desc } from "drizzle-orm";
import { sqliteTable, text } from "drizzle-orm/sqlite-core";
import {
  definePlugin,
  invalidParameter,
  parseMailbox,
  render,
  route,
  serverNames,
  setting,
  templateText,
} from "sealpost/plugin";
import * as v from "valibot";

const entry = sqliteTable("feedback_entry", {
  id: text("id").primaryKey(),
  address: text("address").notNull(),
  text: text("text").notNull(),
});
/** In a file of its own, `0001_feedback.sql`, it would be imported `with { type: "text" }`, which Node does not support. */
const migration = `
CREATE TABLE feedback_entry (
  id TEXT PRIMARY KEY NOT NULL,
  address TEXT NOT NULL,
  text TEXT NOT NULL
) STRICT;
`;
const tag = { name: "Feedback", description: "Messages from visitors" };
const view = v.object({ id: v.string(), address: v.string(), text: v.string() });
const params = v.object({ address: v.string(), text: v.pipe(v.string(), v.maxLength(2_000)) });
const email = v.pipe(v.string(), v.email("expected an address"));
const subjectText = templateText(["address"]);

/** Anyone may send feedback. The owner gets a message, and admins can read all feedback. */
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
    const give = route(
      {
        method: "POST",
        path: "/feedback/",
        open: true,
        parameters: { body: params },
        response: v.boolean(),
        summary: "Give feedback",
        tag,
      },
      async (c, { body: { address, text } }) => {
        const from = parseMailbox(address);
        if (from === null) throw invalidParameter("address", "expected one mailbox");
        await ctx.limits.consume(...ctx.limits.perClient(c, { key: "from", max: 5, windowSeconds: 3_600 }));
        const row = { id: ctx.random.id(), address: from.address, text };
        const auditRow = ctx.audit.row(c, { success: true, identifier: row.id });
        await ctx.store.commit([ctx.store.write.insert(entry).values(row), auditRow]);
        const subject = render(await ctx.settings.get("feedback.subject"), { address: from.address });
        const message = { to: [{ name: "", address: owner }], replyTo: [from], subject, text };
        const sent = await ctx.mail.submit(undefined, message, { request: c });
        ctx.events.emit("feedback_given", { id: row.id });
        return sent.state !== "failed";
      },
    );
    const list = route(
      {
        method: "GET",
        path: "/feedback/",
        right: "feedback_read",
        response: v.array(view),
        summary: "List feedback",
        tag,
      },
      () => ctx.store.read.select().from(entry).orderBy(desc(entry.id)),
    );
    return { routes: [give, list] };
  },
});
