import type { ServerDefinition } from "../domain/smtp-server.ts";
import type { CheckResult } from "../mail/servers/check.ts";
import type { SubmitResult } from "../mail/submission.ts";
import { type DeliveryView, toDeliveryView, toServerReportView } from "../wire/delivery.ts";
import type { TestDetail } from "./smtpserver-test-schema.ts";

/** The fields of the tested definition that hints need. */
export type TestedServer = Pick<ServerDefinition, "server" | "port" | "tls" | "username">;

/** A queued message has no result yet. */
const QUEUED: DeliveryView = {
  ...{ phase: null, code: null, retryable: false, outcome: null, reply: null, hint: null },
  ...{ timing_ms: {}, tls: null, accepted: [], rejected: [], round_trips: null, reached: null },
};

/** Returns the `detail` of a test that sends a message. @param isQueueing whether the caller asked to queue it */
export function toTestDetail(result: SubmitResult, server: TestedServer, isQueueing: boolean): TestDetail {
  const isQueued = result.state === "queued";
  return {
    delivery: isQueued ? QUEUED : toDeliveryView(result, server),
    server: isQueued ? undefined : toServerReportView(result.recipients[0]?.receipt),
    smime: result.smime ?? undefined,
    queued: isQueued || (isQueueing ? false : undefined),
    mail_id: isQueued ? result.mailId : undefined,
  };
}

/** Returns the `detail` of a check, which sends nothing. */
export function toCheckDetail({ until, recipient, receipt }: CheckResult, server: TestedServer): TestDetail {
  const recipients = [{ recipient: recipient?.address ?? "", receipt }];
  const view = receipt.successful
    ? toDeliveryView({ state: "delivered", identifier: "", recipients }, server)
    : toDeliveryView({ state: "failed", identifier: "", failure: receipt.failure, recipients }, server);
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
