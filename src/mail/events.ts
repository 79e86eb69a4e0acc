import type { MailOptions } from "../contracts/plugin/mail.ts";

/** A message, as its events name it. */
interface ReportedMessage {
  /** The Message-ID field; empty if no message was built. */
  readonly messageId: string;
  readonly identifier: string;
  readonly submitter: string;
  readonly purpose: NonNullable<MailOptions["purpose"]>;
}

/** The final state of one recipient. */
interface ReportedRecipient {
  readonly address: string;
  readonly state: string;
  readonly failure?: { readonly phase: string; readonly code: string } | null;
}

/** The recipients of a message with the same outcome. `state`, `phase` and `code` are those of the first. */
interface OutcomeEvent extends ReportedMessage {
  /** ID in the queue; empty for a message that was sent while the caller waited. */
  readonly mailId: string;
  readonly recipients: readonly string[];
  readonly state: string;
  readonly phase: string;
  readonly code: string;
}

/** Events about mail and its servers, and their data. */
interface MailEvents {
  /** A mail server accepted the message. */
  readonly mail_sent: OutcomeEvent;
  /** The message is not sent, and will not be attempted again. */
  readonly mail_failed: OutcomeEvent;
  /** The connection was lost after the end of the message, so it may have been sent. */
  readonly mail_unknown: OutcomeEvent;
  /** Queued mail of this definition waits until its server works again. */
  readonly circuit_opened: { readonly identifier: string; readonly phase: string; readonly code: string };
  /** A definition gets no access token until an admin changes something. Emitted at most once a day for each code. */
  readonly oauth_failed: { readonly identifier: string; readonly phase: string; readonly code: string };
  /** A certificate expires in less than 30 days, or has expired. Emitted once a day. */
  readonly certificate_expiring: {
    readonly identifier: string;
    /** The field of the definition: `certificate`, `tls_certificate` or `oauth_certificate`. */
    readonly parameter: string;
    /** `YYYY-MM-DD` */
    readonly expires: string;
    /** Whole days; negative if the certificate has expired. */
    readonly daysLeft: number;
  };
}

/** Emits one event for each outcome that recipients of a message have. */
export function notifyOutcomes(
  notify: Notify,
  { id: mailId, messageId, identifier, submitter, purpose }: ReportedMessage & { readonly id: string },
  all: readonly ReportedRecipient[],
): void {
  const byEvent = Map.groupBy(all, ({ state }) =>
    state === "sent" ? "mail_sent" : state === "unknown" ? "mail_unknown" : "mail_failed",
  );
  for (const [name, recipients] of byEvent) {
    const { state = "", failure = null } = recipients[0] ?? {};
    const { phase = "", code = "" } = failure ?? {};
    notify(name, {
      mailId,
      messageId,
      identifier,
      submitter,
      purpose,
      recipients: recipients.map(({ address }) => address),
      state,
      phase,
      code,
    });
  }
}

/** Emits an event. Returns immediately and never throws. */
export type Notify = <K extends keyof MailEvents>(name: K, data: MailEvents[K]) => void;
