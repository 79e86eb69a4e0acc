import type { Context } from "hono";
import * as v from "valibot";
import type { Env } from "../contracts/env.ts";
import type { Platform } from "../contracts/platform.ts";
import { parseAddress } from "../domain/mailbox.ts";
import { SealpostError } from "../errors.ts";
import type { MailQuery, MailQueue } from "../mail/queue/manage.ts";
import { route, tagged } from "../wire/route.ts";
import { pageOf } from "../wire/schemas.ts";
import { mailIdParams, mailListParams, mailPageView, mailRecordView, mailTag } from "./mail-schema.ts";
import { mailStatsView, readStats } from "./mail-stats.ts";
import { toMailRecordView, toMailView } from "./mail-view.ts";

const ONE = { parameters: { path: mailIdParams } } as const;
const READ = { method: "GET", right: "mail_read", isProvedByRead: true } as const;
const CHANGE = {
  ...ONE,
  method: "POST",
  right: "mail_write",
  response: v.literal(true),
  errors: [404, 409],
} as const;

const CHANGE_ALL = { method: "POST", right: "mail_write", response: v.number() } as const;

/** Queued messages: their records, and what an admin can do about them. */
export function mailRoutes({
  mailQueue,
  platform,
}: {
  readonly mailQueue: MailQueue;
  readonly platform: Pick<Platform, "now">;
}) {
  return tagged(mailTag, [
    route(
      {
        ...READ,
        path: "/mail/",
        parameters: { query: mailListParams },
        response: mailPageView,
        summary: "List queued messages",
        description: "Newest first.",
        operationId: "listMail",
      },
      async (_, { query: params }) => {
        const query = toQuery(params);
        const { mails, total } = await mailQueue.page(query);
        return { mails: mails.map(toMailView), ...pageOf(query, total) };
      },
    ),
    route(
      {
        ...READ,
        path: "/mail/stats",
        response: mailStatsView,
        summary: "Count messages of a day",
        description: "Messages submitted in the last 24 hours by state, definition and hour.",
        operationId: "mailStats",
      },
      () => readStats(mailQueue.stats, platform),
    ),
    ...holdRoutes(mailQueue),
    route(
      {
        ...READ,
        ...ONE,
        path: "/mail/:id",
        response: mailRecordView,
        summary: "Get a queued message",
        description: "With every attempt. Its subject and content are never shown.",
        operationId: "getMail",
        errors: [404],
      },
      async (_, { path: { id } }) => {
        const found = await mailQueue.get(id);
        if (found) return toMailRecordView(found.mail, found.attempts, found.canRetry);
        throw new SealpostError("resource_not_found", "The requested Mail could not be found.");
      },
    ),
    route(
      {
        ...CHANGE,
        path: "/mail/:id/retry",
        summary: "Retry a message now",
        description: "For a message that is deferred, or that failed because of its server.",
        operationId: "retryMail",
      },
      (c, { path: { id } }) => change(c, id, mailQueue.retry),
    ),
    route(
      { ...CHANGE, path: "/mail/:id/cancel", summary: "Cancel a queued message", operationId: "cancelMail" },
      (c, { path: { id } }) => change(c, id, mailQueue.cancel),
    ),
  ]);
}

/** Returns the routes that hold and release all messages. */
function holdRoutes(mailQueue: MailQueue) {
  return [
    route(
      {
        ...CHANGE_ALL,
        path: "/mail/hold",
        summary: "Hold waiting messages",
        description:
          "Those that wait now are not sent before a release. Messages that are submitted later are sent. The value is the number of messages.",
        operationId: "holdMail",
      },
      (c) => mailQueue.hold(c.get("actor")),
    ),
    route(
      {
        ...CHANGE_ALL,
        path: "/mail/release",
        summary: "Release held messages",
        description:
          "Also those that a restore holds, and webhooks that it holds. The value is the number of messages and webhooks.",
        operationId: "releaseMail",
      },
      (c) => mailQueue.release(c.get("actor")),
    ),
  ] as const;
}

/** Applies the change of an admin to one message. */
async function change(c: Context<Env>, id: string, apply: MailQueue["retry" | "cancel"]) {
  c.set("auditTarget", { identifier: id, recipient: "" });
  await apply(id, c.get("actor"));
  return true as const;
}

function toQuery(params: v.InferOutput<typeof mailListParams>): MailQuery {
  const { state, identifier, recipient, since, page, page_size } = params;
  return {
    ...(state && { state }),
    ...(identifier && { identifier }),
    ...(recipient && { recipient: parseAddress(recipient) ?? recipient }),
    ...(since && { since: new Date(since) }),
    page,
    pageSize: page_size,
  };
}
