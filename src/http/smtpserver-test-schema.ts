import * as v from "valibot";
import { CHECKPOINTS } from "../domain/delivery.ts";
import { type Mailbox, parseMailbox } from "../domain/mailbox.ts";
import { DEFINITION_DEFAULTS as DEFAULTS } from "../domain/smtp-server.ts";
import { missingParameter } from "../errors.ts";
import type { ServerCheck } from "../mail/servers/check.ts";
import { needsRecipient } from "../mail/servers/test.ts";
import { deliveryView, serverReportView } from "../wire/delivery.ts";
import { noticeEntries } from "../wire/envelope.ts";
import { described } from "../wire/schemas.ts";
import { definitionParams, flag, identifierText, mailboxOrEmpty, smimeView } from "./smtpserver-schema.ts";

const testEntries = {
  recipient: v.optional(
    described(
      mailboxOrEmpty,
      "Mailbox that receives the test. Required, unless `until` ends the check before it",
    ),
    "",
  ),
  until: v.optional(
    described(
      v.picklist(CHECKPOINTS, `expected one of ${CHECKPOINTS.join(", ")}`),
      "Check the server up to this point and send nothing. Absent: send a message",
    ),
  ),
};

/** Parameters of `POST /smtpserver/send_test_email`. */
export const testParams = v.object({
  ...definitionParams.entries,
  identifier: v.optional(
    described(
      v.union([v.literal(""), identifierText]),
      "Name of the definition, if it is stored: its secrets are used where `__CENSORED__` is sent",
    ),
    "",
  ),
  ...testEntries,
});

/** Parameters of `POST /smtpserver/<identifier>/send_test_email`. */
export const storedTestParams = v.object({
  ...testEntries,
  enqueue_job: v.optional(
    described(flag, "Queue the message, regardless of the definition. A check ignores it"),
    DEFAULTS.enqueueJob,
  ),
});

/** `detail` of a test. */
export const testDetail = v.object({
  delivery: deliveryView,
  server: v.optional(serverReportView),
  smime: v.optional(smimeView),
  queued: v.optional(v.boolean()),
  mail_id: v.optional(v.string()),
  ...noticeEntries,
});
export type TestDetail = v.InferOutput<typeof testDetail>;

/** A test that sends a message. */
export interface MessageTest {
  readonly until: null;
  readonly recipient: Mailbox;
}

/** @throws {SealpostError} `missing_parameter` if the test needs a recipient and has none. */
export function readTest({
  recipient,
  until,
}: v.InferOutput<typeof storedTestParams> | v.InferOutput<typeof testParams>): MessageTest | ServerCheck {
  const mailbox = parseMailbox(recipient);
  if (mailbox === null && needsRecipient(until)) throw missingParameter("recipient");
  if (until !== undefined) return { until, recipient: mailbox };
  if (mailbox === null) throw missingParameter("recipient");
  return { until: null, recipient: mailbox };
}
