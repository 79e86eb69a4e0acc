import { Hono } from "hono";
import * as v from "valibot";
import type { Env } from "../contracts/env.ts";
import type { Platform } from "../contracts/platform.ts";
import { parseAddress } from "../domain/mailbox.ts";
import { SealpostError } from "../errors.ts";
import type { MailQuery, MailQueue } from "../mail/queue/manage.ts";
import { success } from "../wire/envelope.ts";
import type { RequireRight } from "../wire/guard.ts";
import { allowOnly } from "../wire/not-found.ts";
import { operation } from "../wire/openapi.ts";
import { pageOf } from "../wire/paging.ts";
import { pathParams, queryParams } from "../wire/validate.ts";
import { mailIdParams, mailListParams, mailPageView, mailRecordView } from "./mail-schema.ts";
import { toMailRecordView, toMailView } from "./mail-view.ts";

const READ = "mail_read";
const WRITE = "mail_write";
const tag = "Queued mail";

export interface MailParts {
  readonly mailQueue: MailQueue;
  readonly requireRight: RequireRight;
  readonly platform: Pick<Platform, "now">;
}

/** Queued mail, on its way and ended. */
export function mailCollection({ mailQueue, requireRight, platform }: MailParts) {
  return new Hono<Env>()
    .get(
      "/",
      operation({
        summary: "Queued mail, newest first",
        operationId: "listMail",
        tag,
        answer: mailPageView,
      }),
      requireRight(READ, "GET /mail/", { isProvedByRead: true }),
      queryParams(mailListParams),
      async (c) => {
        const query = toQuery(c.req.valid("query"));
        const { mails, total } = await mailQueue.page(query);
        const value = { mails: mails.map(toMailView), ...pageOf(query, total) };
        return c.json(success(value, platform.now()));
      },
    )
    .all("/", allowOnly("GET"));
}

/** One queued mail: its record, and what can be done about it. */
export function mailRoutes({ mailQueue, requireRight, platform }: MailParts) {
  const steering = (verb: "retry" | "cancel", summary: string) =>
    operation({ summary, operationId: `${verb}Mail`, tag, answer: v.literal(true), refusals: [404, 409] });

  return new Hono<Env>()
    .get(
      "/:id",
      operation({
        summary: "One queued mail with every try",
        operationId: "getMail",
        tag,
        answer: mailRecordView,
        refusals: [404],
      }),
      requireRight(READ, "GET /mail/<id>", { isProvedByRead: true }),
      pathParams(mailIdParams),
      async (c) => {
        const found = await mailQueue.get(c.req.valid("param").id);
        if (!found) throw new SealpostError("resource_not_found", "The requested Mail could not be found.");
        return c.json(success(toMailRecordView(found.mail, found.attempts), platform.now()));
      },
    )
    .all("/:id", allowOnly("GET"))
    .post(
      "/:id/retry",
      steering("retry", "Retry a message now that is deferred, or that failed by the fault of its server"),
      requireRight(WRITE, "POST /mail/<id>/retry"),
      pathParams(mailIdParams),
      async (c) => {
        const { id } = c.req.valid("param");
        c.set("auditTarget", { identifier: id, recipient: "" });
        await mailQueue.retry(id, c.get("actor"));
        return c.json(success(true as const, platform.now()));
      },
    )
    .all("/:id/retry", allowOnly("POST"))
    .post(
      "/:id/cancel",
      steering("cancel", "End a mail that is not sent yet"),
      requireRight(WRITE, "POST /mail/<id>/cancel"),
      pathParams(mailIdParams),
      async (c) => {
        const { id } = c.req.valid("param");
        c.set("auditTarget", { identifier: id, recipient: "" });
        await mailQueue.cancel(id, c.get("actor"));
        return c.json(success(true as const, platform.now()));
      },
    )
    .all("/:id/cancel", allowOnly("POST"));
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
