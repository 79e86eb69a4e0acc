import * as v from "valibot";
import { MAIL_STATES } from "../domain/queued-mail.ts";
import { replyView } from "../wire/delivery.ts";
import { described, named, pageParams, pageView } from "../wire/schemas.ts";
import { line } from "./smtpserver-schema.ts";

/** Groups the routes of messages. */
export const mailTag = {
  name: "Mail",
  description: "Send messages; those that are waiting, and the outcome of the others",
};

/** RFC 3339, or a day, which starts at midnight UTC. */
const MOMENT = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/i;

/** The id of a message in a path. */
export const mailIdParams = v.object({
  id: described(
    v.pipe(v.string("expected a UUID"), v.uuid("expected a UUID"), v.toLowerCase()),
    "`detail.mail_id` of the response that queued the message",
  ),
});

/** Parameters of GET /mail/. */
export const mailListParams = v.object({
  state: v.optional(v.picklist(MAIL_STATES, `expected one of ${MAIL_STATES.join(", ")}`)),
  identifier: v.optional(
    described(
      v.pipe(
        line,
        v.transform((name) => name.normalize("NFC")),
      ),
      "Only messages that use this definition",
    ),
  ),
  recipient: v.optional(described(line, "Only messages to this address")),
  since: v.optional(
    described(
      v.pipe(
        v.string("expected a text"),
        v.check(
          (text) => text === "" || (MOMENT.test(text) && !Number.isNaN(Date.parse(text))),
          "expected a day or a time with its zone, such as 2026-06-01T12:00:00Z",
        ),
      ),
      "Only messages queued since this day or time, such as 2026-06-01T12:00:00Z",
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
  next_try: described(v.nullable(moment), "Not before this time. `null` in a final state or if `held`"),
  failure: described(
    v.nullable(v.object({ phase: v.string(), code: v.string(), reply: v.nullable(replyView) })),
    "Of the last attempt",
  ),
});

/** A queued message. Its subject, its content and secrets are never shown. */
export const mailView = named(
  "QueuedMail",
  v.object({
    id: v.string(),
    state,
    identifier: described(v.string(), "The definition that it uses now"),
    alternatives: described(
      v.array(v.string()),
      "All definitions that it may use. Empty if it may use only one",
    ),
    submitter: v.string(),
    message_id: v.string(),
    sender: v.string(),
    purpose: v.picklist(["code", "notice"]),
    on_unknown: described(
      v.picklist(["repeat", "stop"]),
      "After an unknown outcome: `repeat` sends the message again with the same Message-ID, `stop` does not",
    ),
    recipients: v.array(recipientView),
    next_try: described(
      v.nullable(moment),
      "`null` in a final state, if `held`, or while the message is sent",
    ),
    held: described(v.boolean(), "Waits for `POST /mail/release`"),
    created_at: moment,
    updated_at: moment,
    expires_at: described(
      v.nullable(moment),
      "Not sent after this time. `null` if the message does not expire",
    ),
    give_up_at: described(moment, "The last attempt starts before this time"),
  }),
);

/** `GET /mail/`. */
export const mailPageView = v.object({ mails: v.array(mailView), ...pageView });

/** `GET /mail/<id>`: with every attempt. */
export const mailRecordView = named(
  "QueuedMailRecord",
  v.object({
    ...mailView.entries,
    can_retry: described(v.boolean(), "Whether `POST /mail/<id>/retry` accepts the message now"),
    attempts: v.array(
      v.object({
        recipient: v.string(),
        identifier: v.string(),
        date: moment,
        outcome: described(
          v.picklist(["sent", "not-sent", "unknown", "lost"]),
          "`lost`: the worker died during the attempt, so the outcome is unknown",
        ),
        decision: described(v.picklist(["ended", "retry", "repeat", "next-server"]), "What happened next"),
        phase: v.nullable(v.string()),
        code: v.nullable(v.string()),
        reply: v.nullable(replyView),
        timing_ms: v.record(v.string(), v.number()),
      }),
    ),
  }),
);
