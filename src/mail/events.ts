/** What happens to mail and its servers, for those who want to know. */
export interface MailEvents {
  /** A queued mail that ended otherwise than sent. */
  readonly mail_failed: {
    readonly mailId: string;
    readonly identifier: string;
    readonly submitter: string;
    readonly recipients: readonly string[];
    readonly state: string;
    readonly code: string;
  };
  /** Queued mail no longer goes through this definition until its server is back. */
  readonly circuit_opened: { readonly identifier: string; readonly phase: string; readonly code: string };
}

/** Tells of an event; returns at once and never throws. */
export type Notify = <K extends keyof MailEvents>(name: K, data: MailEvents[K]) => void;
