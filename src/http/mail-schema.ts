import * as v from "valibot";
import { MAIL_STATES } from "../domain/queued-mail.ts";
import { replyView } from "../wire/delivery.ts";
import { pageParams, pageView } from "../wire/paging.ts";
import { described, named } from "../wire/schemas.ts";
import { line } from "./smtpserver-schema.ts";

/** RFC 3339, or a day, which begins at midnight UTC. */
const MOMENT = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/i;

/** The id of a mail in a path. */
export const mailIdParams = v.object({
  id: described(
    v.pipe(v.string("expected a UUID"), v.uuid("expected a UUID"), v.toLowerCase()),
    "What detail.mail_id said when it was queued",
  ),
});

/** Parameters of GET /mail/. */
export const mailListParams = v.object({
  state: v.optional(v.picklist(MAIL_STATES, `expected one of ${MAIL_STATES.join(", ")}`)),
  identifier: v.optional(described(line, "Only mail that goes through this definition")),
  recipient: v.optional(described(line, "Only mail that goes to this address")),
  since: v.optional(
    described(
      v.pipe(
        v.string("expected a text"),
        v.check(
          (text) => text === "" || (MOMENT.test(text) && !Number.isNaN(Date.parse(text))),
          "expected a day or a time with its zone, such as 2026-06-01T12:00:00Z",
        ),
      ),
      "Only mail that was queued since then: a day, or a time such as 2026-06-01T12:00:00Z",
    ),
  ),
  ...pageParams,
});

const moment = v.pipe(v.string(), v.description("ISO 8601, UTC"));
const state = v.picklist(MAIL_STATES);

const recipientView = v.object({
  address: v.string(),
  state,
  attempts: v.number(),
  next_try: described(v.nullable(moment), "Not before then; null: it has ended"),
  failure: described(
    v.nullable(v.object({ phase: v.string(), code: v.string(), reply: v.nullable(replyView) })),
    "Of the last try",
  ),
});

/** A queued mail: never its body, its subject or a secret. */
export const mailView = named(
  "QueuedMail",
  v.object({
    id: v.string(),
    state,
    identifier: described(v.string(), "The definition that it goes through now"),
    alternatives: described(
      v.array(v.string()),
      "All definitions that it may go through; empty: just the one",
    ),
    submitter: v.string(),
    message_id: v.string(),
    sender: v.string(),
    purpose: v.picklist(["code", "notice"]),
    on_unknown: described(
      v.picklist(["repeat", "stop"]),
      "What is done when the server may have taken it: send it again under the same Message-ID, or not",
    ),
    recipients: v.array(recipientView),
    next_try: described(v.nullable(moment), "Null: it has ended, or is being sent"),
    created_at: moment,
    updated_at: moment,
    expires_at: described(v.nullable(moment), "From then on it is of no use, and not sent"),
    give_up_at: described(moment, "The last try begins before then"),
  }),
);

/** `GET /mail/`. */
export const mailPageView = v.object({ mails: v.array(mailView), ...pageView });

/** `GET /mail/<id>`: with every try. */
export const mailRecordView = named(
  "QueuedMailRecord",
  v.object({
    ...mailView.entries,
    attempts: v.array(
      v.object({
        recipient: v.string(),
        identifier: v.string(),
        date: moment,
        outcome: described(
          v.picklist(["sent", "not-sent", "unknown", "lost"]),
          "lost: the process that sent it did not live to say what became of it",
        ),
        decision: described(v.picklist(["ended", "retry", "repeat", "next-server"]), "What followed"),
        phase: v.nullable(v.string()),
        code: v.nullable(v.string()),
        reply: v.nullable(replyView),
        timing_ms: v.record(v.string(), v.number()),
      }),
    ),
  }),
);
