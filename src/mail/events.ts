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
  /** Once a day as long as fewer than 30 days are left, and after its end. */
  readonly certificate_expiring: {
    readonly identifier: string;
    /** `YYYY-MM-DD` */
    readonly expires: string;
    /** Whole days; less than zero: it has expired. */
    readonly daysLeft: number;
  };
}

/** Tells of an event; returns at once and never throws. */
export type Notify = <K extends keyof MailEvents>(name: K, data: MailEvents[K]) => void;
