import * as v from "valibot";
import { parseAddress } from "../domain/mailbox.ts";
import { SealpostError } from "../errors.ts";
import type { MailQuery, MailQueue } from "../mail/queue/manage.ts";
import { pageOf } from "../wire/paging.ts";
import { route } from "../wire/route.ts";
import { mailIdParams, mailListParams, mailPageView, mailRecordView } from "./mail-schema.ts";
import { toMailRecordView, toMailView } from "./mail-view.ts";

const READ = "mail_read";
const WRITE = "mail_write";
const tag = { name: "Queued mail", description: "Messages that are waiting, and the outcome of the others" };
const path = mailIdParams;

/** Queued messages: their records, and what an admin can do about them. */
export function mailRoutes({ mailQueue }: { readonly mailQueue: MailQueue }) {
  return [
    route(
      {
        method: "GET",
        path: "/mail/",
        right: READ,
        isProvedByRead: true,
        parameters: { query: mailListParams },
        response: mailPageView,
        summary: "List queued messages",
        description: "Newest first.",
        operationId: "listMail",
        tag,
      },
      async (_, { query: params }) => {
        const query = toQuery(params);
        const { mails, total } = await mailQueue.page(query);
        return { mails: mails.map(toMailView), ...pageOf(query, total) };
      },
    ),
    route(
      {
        method: "GET",
        path: "/mail/:id",
        right: READ,
        isProvedByRead: true,
        parameters: { path },
        response: mailRecordView,
        summary: "Get a queued message",
        description: "With every attempt. Its subject and content are never shown.",
        operationId: "getMail",
        tag,
        errors: [404],
      },
      async (_, { path: { id } }) => {
        const found = await mailQueue.get(id);
        if (found) return toMailRecordView(found.mail, found.attempts);
        throw new SealpostError("resource_not_found", "The requested Mail could not be found.");
      },
    ),
    route(
      {
        method: "POST",
        path: "/mail/:id/retry",
        right: WRITE,
        parameters: { path },
        response: v.literal(true),
        summary: "Retry a message now",
        description: "For a message that is deferred, or that failed because of its server.",
        operationId: "retryMail",
        tag,
        errors: [404, 409],
      },
      async (c, { path: { id } }) => {
        c.set("auditTarget", { identifier: id, recipient: "" });
        await mailQueue.retry(id, c.get("actor"));
        return true as const;
      },
    ),
    route(
      {
        method: "POST",
        path: "/mail/:id/cancel",
        right: WRITE,
        parameters: { path },
        response: v.literal(true),
        summary: "Cancel a queued message",
        operationId: "cancelMail",
        tag,
        errors: [404, 409],
      },
      async (c, { path: { id } }) => {
        c.set("auditTarget", { identifier: id, recipient: "" });
        await mailQueue.cancel(id, c.get("actor"));
        return true as const;
      },
    ),
  ];
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
