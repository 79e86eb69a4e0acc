import * as v from "valibot";
import { CHECKPOINTS } from "../domain/delivery.ts";
import { type Mailbox, parseMailbox } from "../domain/mailbox.ts";
import { DEFINITION_DEFAULTS as DEFAULTS } from "../domain/smtp-server.ts";
import { missingParameter } from "../errors.ts";
import type { CheckResult, ServerCheck } from "../mail/servers/check.ts";
import { needsRecipient } from "../mail/servers/test.ts";
import type { SubmitResult } from "../mail/submission.ts";
import {
  type DeliveryView,
  deliveryView,
  type HintedDefinition,
  serverReportView,
  toDeliveryView,
  toServerReportView,
} from "../wire/delivery.ts";
import { noticeEntries } from "../wire/envelope.ts";
import { described } from "../wire/schemas.ts";
import {
  definitionParams,
  flag,
  identifierText,
  longText,
  mailboxOrEmpty,
  needsServer,
  smimeView,
} from "./smtpserver-schema.ts";

const testEntries = {
  recipient_certificate: v.optional(
    described(
      longText,
      "Certificate of the recipient as PEM text, chain included in any order, if the definition encrypts. Default: that of the user with this address",
    ),
    "",
  ),
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
      "Check the server up to this point and send nothing; `oauth` gets an access token. Absent: send a message",
    ),
  ),
};

/** Parameters of `POST /smtpserver/send_test_email`. */
export const testParams = needsServer(
  v.object({
    ...definitionParams.entries,
    identifier: v.optional(
      described(
        v.union([v.literal(""), identifierText]),
        "Name of the definition, if it is stored: its secrets are used where `__CENSORED__` is sent",
      ),
      "",
    ),
    ...testEntries,
  }),
);

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

/** A queued message has no result yet. */
const QUEUED: DeliveryView = {
  phase: null,
  code: null,
  retryable: false,
  outcome: null,
  reply: null,
  hint: null,
  hints: [],
  timing_ms: {},
  tls: null,
  accepted: [],
  rejected: [],
  round_trips: null,
  reached: null,
};

/** Returns the `detail` of a test that sends a message. @param isQueueing whether the caller asked to queue it */
export async function toTestDetail(
  result: SubmitResult,
  server: HintedDefinition,
  isQueueing: boolean,
): Promise<TestDetail> {
  const isQueued = result.state === "queued";
  return {
    delivery: isQueued ? QUEUED : await toDeliveryView(result, server),
    server: isQueued ? undefined : toServerReportView(result.recipients[0]?.receipt),
    smime: result.smime ? toSmimeView(result.smime) : undefined,
    queued: isQueued || (isQueueing ? false : undefined),
    mail_id: isQueued ? result.mailId : undefined,
  };
}

function toSmimeView({ signed, encrypted, code, reason }: NonNullable<SubmitResult["smime"]>) {
  return { signed, encrypted, code, reason };
}

/** Returns the `detail` of a check, which sends nothing. */
export async function toCheckDetail(
  { until, recipient, receipt }: CheckResult,
  server: HintedDefinition,
): Promise<TestDetail> {
  const recipients = [{ recipient: recipient?.address ?? "", receipt }];
  const outcome = receipt.successful
    ? ({ state: "delivered", identifier: "", recipients } as const)
    : ({ state: "failed", identifier: "", failure: receipt.failure, recipients } as const);
  // A check sends one command at a time.
  const view = await toDeliveryView(outcome, { ...server, pipelining: "off" });
  return {
    delivery: {
      ...view,
      outcome: "not-sent",
      accepted: [],
      rejected: until === "recipient" ? view.rejected : [],
    },
    server: toServerReportView(receipt),
  };
}
